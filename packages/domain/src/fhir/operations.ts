import { resourceHistory, resourceHistorySql, storeVersion, storeVersionSql } from './resource-versions.ts'
import {
  activateValueSet,
  activateValueSetSql,
  saveValueSet,
  saveValueSetSql,
  searchConcepts,
  searchConceptsSql,
  translateCode,
  translateCodeSql,
  valueSetContains,
  valueSetContainsSql,
} from './terminology.ts'

/** The operations of schema/fhir that an application may call. */
export const fhirOperations = {
  'fhir.save_value_set': { sql: saveValueSetSql, call: saveValueSet },
  'fhir.activate_value_set': { sql: activateValueSetSql, call: activateValueSet },
  'fhir.value_set_contains': { sql: valueSetContainsSql, call: valueSetContains },
  'fhir.search_concepts': { sql: searchConceptsSql, call: searchConcepts },
  'fhir.translate_code': { sql: translateCodeSql, call: translateCode },
  'fhir.store_version': { sql: storeVersionSql, call: storeVersion },
  'fhir.resource_history': { sql: resourceHistorySql, call: resourceHistory },
} as const
