import { refuse } from '../define.ts'

// Refusals that any operation may give: IM0xx.
export const IllegalTransitionError = refuse(
  'IM001',
  'IllegalTransitionError',
  'IMH_ILLEGAL_TRANSITION',
  'the state machine has no such move',
  'read the row again, core.transition_rules lists the moves that are allowed from its state',
)
export const ReasonRequiredError = refuse(
  'IM002',
  'ReasonRequiredError',
  'IMH_REASON_REQUIRED',
  'this move needs a reason',
  'send a reason with the request',
)
export const NoTenantContextError = refuse(
  'IM003',
  'NoTenantContextError',
  'IMH_NO_TENANT_CONTEXT',
  'no tenant is set in this transaction',
  'call core.begin_request first in the transaction; in TypeScript use withTenant',
)
export const StaleVersionError = refuse(
  'IM004',
  'StaleVersionError',
  'IMH_STALE_VERSION',
  'somebody changed the row since it was read',
  'read the row again and repeat the change on its new version',
)
export const NotFoundError = refuse(
  'IM005',
  'NotFoundError',
  'IMH_NOT_FOUND',
  'the row does not exist in this tenant, or is deleted',
  'check the id and the tenant',
)
export const NotPermittedError = refuse(
  'IM006',
  'NotPermittedError',
  'IMH_NOT_PERMITTED',
  'the user may not do this',
  'use an account whose role has the permission, or ask a second person where four eyes are required',
)
export const LegalHoldError = refuse(
  'IM007',
  'LegalHoldError',
  'IMH_LEGAL_HOLD',
  'a legal hold covers the row',
  'release the hold first, or leave the row as it is',
)
export const RequestInProgressError = refuse(
  'IM010',
  'RequestInProgressError',
  'IMH_REQUEST_IN_PROGRESS',
  'the same request is being worked on',
  'wait a moment and send the same request with the same key again',
)
export const IdempotencyKeyReusedError = refuse(
  'IM011',
  'IdempotencyKeyReusedError',
  'IMH_IDEMPOTENCY_KEY_REUSED',
  'the idempotency key was used before with other content',
  'use a new key for a new request',
)
export const EntityUnknownError = refuse(
  'IM012',
  'EntityUnknownError',
  'IMH_ENTITY_UNKNOWN',
  'the row refers to a row of another service that is not known in this database',
  'wait for the event of that service and send the request again, or correct the id',
)
export const EntityNotActiveError = refuse(
  'IM013',
  'EntityNotActiveError',
  'IMH_ENTITY_NOT_ACTIVE',
  'the row refers to a row of another service that is inactive or deleted there',
  'refer to a row that is active',
)
export const ContextNotSignedError = refuse(
  'IM014',
  'ContextNotSignedError',
  'IMH_CONTEXT_NOT_SIGNED',
  'the context of the transaction is not signed, was signed too long ago, or was changed since',
  'sign it with signContext and a key of core.context_keys; look for injected SQL when it was signed',
)
