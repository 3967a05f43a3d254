import { DatabaseError, OperationRefusedError, type DatabaseErrorFields, type ErrorCode } from './database-error.ts'

// One table: SQLSTATE -> error class, public code, meaning and way out. A row may name a whole class by its first two
// characters; the longest match wins. Class IM is the schema's own (classes that start with I to Z are free for it):
// its rows stand in refusals/, one file an area; PostgreSQL's own stand in sqlstate.ts.

export type DatabaseErrorClass = new (
  message: string,
  fields: DatabaseErrorFields,
  options?: { hint?: string },
) => DatabaseError

export interface SqlstateRow {
  readonly sqlstates: readonly string[]
  readonly code: ErrorCode
  readonly meaning: string
  readonly hint: string
  readonly error: DatabaseErrorClass
}

export const sqlstates: SqlstateRow[] = []

interface Definition {
  readonly sqlstate: string | readonly string[]
  readonly code: ErrorCode
  readonly meaning: string
  readonly hint: string
  readonly base?: typeof DatabaseError
}

/** Makes the error class of one row and enters the row in the table. */
export function define(name: string, definition: Definition): DatabaseErrorClass {
  const { code, meaning, hint, base = DatabaseError } = definition
  const error = class extends base {
    override readonly code: ErrorCode = code

    constructor(message: string, fields: DatabaseErrorFields, options: { hint?: string } = {}) {
      super(message, fields, { hint: options.hint ?? hint })
    }
  }
  Object.defineProperty(error, 'name', { value: name })
  sqlstates.push({ sqlstates: [definition.sqlstate].flat(), code, meaning, hint, error })
  return error
}

/** A row of class IM: the schema's own refusals. */
export function refuse(
  sqlstate: string,
  name: string,
  code: ErrorCode,
  meaning: string,
  hint: string,
): DatabaseErrorClass {
  return define(name, { sqlstate, code, meaning, hint, base: OperationRefusedError })
}
