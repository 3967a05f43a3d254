import { ImhotepError } from '@imhotep/base'

/** The service's database holds the record of a move of other tables, or from another database. */
export class OtherMoveError extends ImhotepError {
  readonly code = 'IMH_SPLIT_OTHER_MOVE'
  constructor(database: string) {
    super(`database ${database} got other tables by an earlier move`, {
      hint: 'undo that move first, or give this one another database',
    })
  }
}

/** A table cannot come to a database that has one of this name already. */
export class TableInTheWayError extends ImhotepError {
  readonly code = 'IMH_SPLIT_TABLE_EXISTS'
  constructor(database: string, tables: readonly string[]) {
    super(`database ${database} has ${tables.join(', ')} already`, {
      hint: 'rename or drop what is there, then run it again',
    })
  }
}

/** A table to be moved is in neither database. */
export class TableMissingError extends ImhotepError {
  readonly code = 'IMH_SPLIT_TABLE_MISSING'
  constructor(database: string, tables: readonly string[]) {
    super(`database ${database} has no ${tables.join(', ')}`, { hint: 'correct the list of tables' })
  }
}

/** The user of the service exists and may do more than it should. */
export class UserHasRightsError extends ImhotepError {
  readonly code = 'IMH_SPLIT_USER_RIGHTS'
  constructor(user: string) {
    super(`user ${user} exists and has rights beyond the database of its service`, {
      hint: 'give the service another user, or revoke what this one has',
    })
  }
}

/** A trigger that cannot be made again as it was. */
export class TriggerCharsetError extends ImhotepError {
  readonly code = 'IMH_SPLIT_TRIGGER_CHARSET'
  constructor(trigger: string, charset: string) {
    super(`trigger ${trigger} holds texts in ${charset}`, {
      hint: 'make it again in a session of utf8mb4 (set names utf8mb4), then run it again',
    })
  }
}
