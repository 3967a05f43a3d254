import { ImhotepError } from '@imhotep/base'
import { tableId, type TableName } from '../model.ts'

/** The MariaDB or MySQL server did not let us in. */
export class MariadbConnectError extends ImhotepError {
  readonly code = 'IMH_SPLIT_CONNECT'
  override readonly exitCode = 2
  constructor(label: string, code: string, options: ErrorOptions = {}) {
    const [reason, hint] = refusals[code] ?? [
      code,
      'check the connection string, and that the server accepts TCP connections',
    ]
    super(`no connection to ${label}: ${reason}`, { ...options, hint })
  }
}

const refusals: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  ER_ACCESS_DENIED_ERROR: [
    'it does not accept this user and password',
    'correct user and password; users may be bound to a host: user@%',
  ],
  ER_DBACCESS_DENIED_ERROR: [
    'this user may not use the database',
    'grant its rights on the database, or give another user',
  ],
  ER_BAD_DB_ERROR: ['there is no such database', 'correct the name at the end of the connection string'],
  ECONNREFUSED: [
    'nothing listens there',
    'start the server, or correct host and port (a server with skip-networking or another bind-address does not listen)',
  ],
  ENOTFOUND: ['there is no such host', 'correct the host'],
  ETIMEDOUT: ['no answer within 10 s', 'correct host and port, or let the firewall pass'],
  ER_CON_COUNT_ERROR: ['it has too many connections', 'close some, or raise max_connections'],
}

/** A table that is to be moved is not there, or has other columns than it had when the move was planned. */
export class SourceTableChangedError extends ImhotepError {
  readonly code = 'IMH_SPLIT_DDL'
  readonly table: TableName
  constructor(table: TableName, what: string) {
    super(`${tableId(table)}: ${what}`, {
      hint: 'cancel the move of this service, plan it again, and hold structure changes back until it is over',
    })
    this.table = table
  }
}

/** A table was rebuilt or emptied while it was copied or compared, which ends the view of its rows. */
export class SnapshotOutdatedError extends ImhotepError {
  readonly code = 'IMH_SPLIT_SNAPSHOT'
  override readonly exitCode = 2
  constructor(table: TableName, options: ErrorOptions) {
    super(`${tableId(table)} was rebuilt or emptied while it was read (OPTIMIZE, TRUNCATE, ALTER)`, {
      ...options,
      hint: 'run it again: it goes on where it was',
    })
  }
}

/** The binlog holds something that cannot be followed: a change written as a statement, an unknown event. */
export class BinlogUnreadableError extends ImhotepError {
  readonly code = 'IMH_SPLIT_BINLOG'
  override readonly exitCode = 2
  constructor(reason: string, position: string, options: ErrorOptions = {}) {
    super(`binlog at ${position}: ${reason}`, {
      ...options,
      hint: 'let all clients write with binlog_format=ROW and binlog_row_image=FULL, then cancel the move and begin it again',
    })
  }
}

/** The server no longer has the part of its binlog that is needed. */
export class BinlogLostError extends ImhotepError {
  readonly code = 'IMH_SPLIT_LOG_LOST'
  constructor(position: string, options: ErrorOptions = {}) {
    super(`the server has no binlog from ${position} any more`, {
      ...options,
      hint: 'raise binlog_expire_logs_seconds (expire_logs_days), then cancel the move and copy again',
    })
  }
}

/** A change of the other side was refused. */
export class ApplyRefusedError extends ImhotepError {
  readonly code = 'IMH_SPLIT_APPLY'
  readonly table: TableName
  /** As MariaDB names it: ER_DUP_ENTRY. */
  readonly reason: string
  constructor(table: TableName, kind: string, reason: string) {
    super(`${tableId(table)} refused an ${kind} of the other side's log: ${reason}`, {
      hint: 'compare the table on both sides (imhotep split verify), repair the row that is named there, and run again',
    })
    this.table = table
    this.reason = reason
  }
}

/** The server cannot take a row: a statement with it is longer than max_allowed_packet. */
export class RowTooLongError extends ImhotepError {
  readonly code = 'IMH_SPLIT_ROW_TOO_LONG'
  override readonly exitCode = 2
  constructor(table: TableName, options: ErrorOptions) {
    super(`${tableId(table)} cannot take a row of the other side's log: it is longer than max_allowed_packet`, {
      ...options,
      hint: 'set max_allowed_packet of MariaDB to twice the longest value (set global, and in its configuration), then run it again',
    })
  }
}

/** The tables were in use for so long that they could not be fenced. */
export class FenceTimeoutError extends ImhotepError {
  readonly code = 'IMH_SPLIT_BUSY'
  override readonly exitCode = 2
  constructor(tables: readonly TableName[], seconds: number, options: ErrorOptions = {}) {
    super(`could not lock ${tables.map(tableId).join(', ')} in ${seconds} s`, {
      ...options,
      hint: 'end long transactions (select * from information_schema.innodb_trx), then run it again',
    })
  }
}

export interface FailedTrigger {
  readonly table: string
  readonly name: string
  readonly error: Error
}

/** Triggers of the application could not be put back. */
export class TriggersFailError extends ImhotepError {
  readonly code = 'IMH_SPLIT_TRIGGERS'
  constructor(failed: readonly FailedTrigger[]) {
    const each = failed.map(({ table, name, error }) => `${name} of ${table} (${error.message})`)
    super(`these tables stay closed, their triggers could not be made again: ${each.join('; ')}`, {
      cause: failed[0]?.error,
      hint:
        'repair what the reason names and run it again; or make the trigger yourself as imhotep_split_triggers has it, ' +
        'changed as it must be, and run it again: one that is there is left alone',
    })
  }
}

/** Views that read tables which are set aside could not be changed. */
export class ViewsFailError extends ImhotepError {
  readonly code = 'IMH_SPLIT_VIEWS'
  constructor(views: readonly string[]) {
    super(`views that fail since their tables are renamed: ${views.join(', ')}`, {
      hint:
        'drop them, or let them read zz_moved_<table>; or grant the user SHOW VIEW and CREATE VIEW on their databases, and ' +
        'SET USER (before 10.5 SUPER) for those of another definer, and run it again',
    })
  }
}
