import { calculateBmi, calculateBmiSql } from './calculate-bmi.ts'
import { findDuplicates, findDuplicatesSql } from './find-duplicates.ts'
import {
  dismissMerge,
  dismissMergeSql,
  mergePatients,
  mergePatientsSql,
  proposeMerge,
  proposeMergeSql,
  unmergePatients,
  unmergePatientsSql,
} from './merge.ts'
import { addIdentifier, addIdentifierSql, registerPatient, registerPatientSql } from './register.ts'
import { searchPatients, searchPatientsSql } from './search.ts'

/** The operations of schema/patient that an application may call. */
export const patientOperations = {
  'patient.calculate_bmi': { sql: calculateBmiSql, call: calculateBmi },
  'patient.find_duplicates': { sql: findDuplicatesSql, call: findDuplicates },
  'patient.search': { sql: searchPatientsSql, call: searchPatients },
  'patient.propose_merge': { sql: proposeMergeSql, call: proposeMerge },
  'patient.dismiss_merge': { sql: dismissMergeSql, call: dismissMerge },
  'patient.merge': { sql: mergePatientsSql, call: mergePatients },
  'patient.unmerge': { sql: unmergePatientsSql, call: unmergePatients },
  'patient.register': { sql: registerPatientSql, call: registerPatient },
  'patient.add_identifier': { sql: addIdentifierSql, call: addIdentifier },
} as const
