import { abdmOperations } from './abdm/operations.ts'
import { auditOperations } from './audit/operations.ts'
import { authOperations } from './auth/operations.ts'
import { billingOperations } from './billing/operations.ts'
import { bloodBankOperations } from './blood_bank/operations.ts'
import { bookingOperations } from './booking/operations.ts'
import { cdsOperations } from './cds/operations.ts'
import { clinicalOperations } from './clinical/operations.ts'
import { communicationOperations } from './communication/operations.ts'
import { complianceOperations } from './compliance/operations.ts'
import { coreOperations } from './core/operations.ts'
import { deviceOperations } from './device/operations.ts'
import { ehrOperations } from './ehr/operations.ts'
import { facilityOperations } from './facility/operations.ts'
import { fhirOperations } from './fhir/operations.ts'
import { insuranceOperations } from './insurance/operations.ts'
import { interopOperations } from './interop/operations.ts'
import { inventoryOperations } from './inventory/operations.ts'
import { laboratoryOperations } from './laboratory/operations.ts'
import { medicationOperations } from './medication/operations.ts'
import { patientOperations } from './patient/operations.ts'
import { paymentOperations } from './payment/operations.ts'
import { schedulingOperations } from './scheduling/operations.ts'
import { taskingOperations } from './tasking/operations.ts'
import { webhookOperations } from './webhook/operations.ts'
import { workforceOperations } from './workforce/operations.ts'

export interface Operation {
  /** The statement, to be pasted into psql. */
  readonly sql: string
  readonly call: (tx: never, ...input: never[]) => Promise<unknown>
}

/** Every SQL operation that an application role may call, with its wrapper. A test compares it with the database. */
export const operations = {
  ...coreOperations,
  ...auditOperations,
  ...authOperations,
  ...facilityOperations,
  ...workforceOperations,
  ...patientOperations,
  ...schedulingOperations,
  ...bookingOperations,
  ...communicationOperations,
  ...webhookOperations,
  ...fhirOperations,
  ...interopOperations,
  ...ehrOperations,
  ...inventoryOperations,
  ...complianceOperations,
  ...deviceOperations,
  ...clinicalOperations,
  ...abdmOperations,
  ...billingOperations,
  ...cdsOperations,
  ...insuranceOperations,
  ...laboratoryOperations,
  ...bloodBankOperations,
  ...medicationOperations,
  ...paymentOperations,
  ...taskingOperations,
} as const satisfies Record<`${string}.${string}`, Operation>

export type OperationName = keyof typeof operations
