// Wrappers of the operations of schema/fhir.
export { resourceHistory, storeVersion, type ResourceVersion, type StoreVersionInput } from './resource-versions.ts'
export {
  activateValueSet,
  saveValueSet,
  searchConcepts,
  translateCode,
  valueSetContains,
  type Concept,
  type SearchConceptsInput,
  type TranslateCodeInput,
  type CodeTranslation,
  type ValueSetInput,
  type ValueSetMember,
} from './terminology.ts'
