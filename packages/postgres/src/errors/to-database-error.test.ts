import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import * as errors from './index.ts'
import { isStalePlan } from './to-database-error.ts'

/** As the driver makes it of an ErrorResponse. */
function serverError(fields: Record<string, string>): Error {
  const error = Object.assign(new Error(fields['message']), fields)
  error.name = 'PostgresError'
  return error
}

const cases = [
  ['23505', errors.UniqueViolationError, 'IMH_UNIQUE_VIOLATION'],
  ['23P01', errors.ExclusionViolationError, 'IMH_EXCLUSION_VIOLATION'],
  ['23001', errors.ConstraintError, 'IMH_CONSTRAINT'],
  ['IM101', errors.SlotFullError, 'IMH_SLOT_FULL'],
  ['IM999', errors.OperationRefusedError, 'IMH_OPERATION_REFUSED'],
  ['40001', errors.SerializationFailureError, 'IMH_SERIALIZATION_FAILURE'],
  ['57P01', errors.ConnectionLostError, 'IMH_CONNECTION_LOST'],
  ['28P01', errors.AuthenticationFailedError, 'IMH_AUTHENTICATION_FAILED'],
  ['22008', errors.InvalidValueError, 'IMH_INVALID_VALUE'],
  ['ZZ000', errors.DatabaseError, 'IMH_DATABASE'],
] as const

for (const [code, expected, publicCode] of cases) {
  test(`toDatabaseError: maps SQLSTATE ${code} to ${publicCode}`, () => {
    const error = errors.toDatabaseError(serverError({ code, message: 'no' }))

    assert.ok(error instanceof expected)
    assert.equal(error.name, expected.name)
    assert.equal(error.code, publicCode)
    assert.ok(error.hint === undefined || error.hint.length > 0)
  })
}

test('toDatabaseError: makes every refusal of class IM an OperationRefusedError', () => {
  const error = errors.toDatabaseError(serverError({ code: 'IM011', message: 'no' }))

  assert.ok(error instanceof errors.IdempotencyKeyReusedError)
  assert.ok(error instanceof errors.OperationRefusedError)
})

test('toDatabaseError: prefers the hint of our own functions to the hint of the table', () => {
  const error = errors.toDatabaseError(serverError({ code: 'IM001', message: 'no', hint: 'check in first' }))

  assert.equal(error.hint, 'check in first')
})

test('toDatabaseError: reads constraint and table from the message of a Citus worker, without the shard', () => {
  const message = 'duplicate key value violates unique constraint "slots_one_102014"'

  const error = errors.toDatabaseError(serverError({ code: '23505', message })) as errors.DatabaseError

  assert.equal(error.constraint, 'slots_one')
  assert.equal(error.message, 'duplicate key value violates unique constraint "slots_one"')
})

test('toDatabaseError: leaves a name with digits alone when the server names the constraint', () => {
  const message = 'duplicate key value violates unique constraint "logs_202401_pkey_202401"'
  const fields = { code: '23505', message, constraint_name: 'logs_202401_pkey_202401', table_name: 'logs_202401' }

  const error = errors.toDatabaseError(serverError(fields)) as errors.DatabaseError

  assert.equal(error.constraint, 'logs_202401_pkey_202401')
  assert.equal(error.table, 'logs_202401')
  assert.equal(error.message, message)
})

test('toDatabaseError: shows no values: not of the detail, the statement, its parameters, nor of a type that did not fit', () => {
  const detail = serverError({ code: '23505', message: 'duplicate', detail: 'Key (phone)=(+91 98450 12345) exists.' })
  Object.assign(detail, { query: 'insert into p values ($1)', parameters: ['+91 98450 12345'] })
  const date = serverError({ code: '22007', message: 'invalid input syntax for type date: "+91 98450 12345"' })

  const shown = [detail, date].map((error) => inspect(errors.toDatabaseError(error)) + JSON.stringify(error.message))
  const printed = inspect(errors.toDatabaseError(detail)) + JSON.stringify(errors.toDatabaseError(detail))

  assert.ok(!printed.includes('98450'), printed)
  assert.ok(!shown[0]?.includes('98450'), shown[0])
  assert.equal(errors.toDatabaseError(date).message, 'invalid input syntax for type date: "..."')
})

test('toDatabaseError: exit code 1 is what a rule of the schema answered; the rest could not tell', () => {
  const exitCodes = ['23505', '23514', 'IM101', 'IM999', '22008', '42601', '42501', '40001', '57P01', 'ZZ000'].map(
    (code) => errors.toDatabaseError(serverError({ code, message: 'no' })).exitCode,
  )

  assert.deepEqual(exitCodes, [1, 1, 1, 1, 2, 2, 2, 2, 2, 2])
})

test('isStalePlan: knows the failure in the language of the server', () => {
  const message = 'gecachter Plan darf den Ergebnistyp nicht verändern'

  const stale = errors.toDatabaseError(serverError({ code: '0A000', message, routine: 'RevalidateCachedQuery' }))
  const other = errors.toDatabaseError(serverError({ code: '0A000', message, routine: 'ExecuteGrantStmt' }))

  assert.deepEqual([isStalePlan(stale), isStalePlan(other)], [true, false])
})

test('isRetryable: says yes to serialization failure, deadlock and lock timeout only', () => {
  const codes = ['40001', '40P01', '55P03', '23505', '57P01', '40003', 'IM010', '57014']

  const retryable = codes.filter((code) =>
    errors.isRetryable(errors.toDatabaseError(serverError({ code, message: '' }))),
  )

  assert.deepEqual(retryable, ['40001', '40P01', '55P03'])
})
