// Wrappers of the operations of schema/ehr.
export { addDocument, type AddDocumentInput } from './add-document.ts'
export { type Document, type DocumentStatus } from './document.ts'
export { discardDocument, finaliseDocument, markDocumentInError, recordVirusScan } from './move-document.ts'
export {
  signDocument,
  signRecord,
  type Signature,
  type SignatureMeaning,
  type SignatureMethod,
  type SignDocumentInput,
  type SignRecordInput,
} from './sign.ts'
export { activateTemplate, withdrawTemplate, type DocumentTemplate } from './templates.ts'
