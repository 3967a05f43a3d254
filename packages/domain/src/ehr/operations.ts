import { addDocument, addDocumentSql } from './add-document.ts'
import {
  discardDocument,
  discardDocumentSql,
  finaliseDocument,
  finaliseDocumentSql,
  markDocumentInError,
  markDocumentInErrorSql,
  recordVirusScan,
  recordVirusScanSql,
} from './move-document.ts'
import { signDocument, signDocumentSql, signRecord, signRecordSql } from './sign.ts'
import { activateTemplate, activateTemplateSql, withdrawTemplate, withdrawTemplateSql } from './templates.ts'

/** The operations of schema/ehr that an application may call. */
export const ehrOperations = {
  'ehr.add_document': { sql: addDocumentSql, call: addDocument },
  'ehr.record_virus_scan': { sql: recordVirusScanSql, call: recordVirusScan },
  'ehr.finalise_document': { sql: finaliseDocumentSql, call: finaliseDocument },
  'ehr.discard_document': { sql: discardDocumentSql, call: discardDocument },
  'ehr.mark_document_in_error': { sql: markDocumentInErrorSql, call: markDocumentInError },
  'ehr.sign_document': { sql: signDocumentSql, call: signDocument },
  'ehr.sign_record': { sql: signRecordSql, call: signRecord },
  'ehr.activate_template': { sql: activateTemplateSql, call: activateTemplate },
  'ehr.withdraw_template': { sql: withdrawTemplateSql, call: withdrawTemplate },
} as const
