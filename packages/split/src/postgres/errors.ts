import { ImhotepError } from '@imhotep/base'
import { tableId, type TableName } from '../model.ts'

/** A table that is to be moved does not exist, or lacks a column. */
export class MovedTableMissingError extends ImhotepError {
  readonly code = 'IMH_SPLIT_TABLE_MISSING'
  readonly table: TableName
  constructor(table: TableName, column?: string) {
    super(
      column === undefined ? `table ${tableId(table)} does not exist` : `${tableId(table)} has no column '${column}'`,
      {
        hint: 'plan the move again: imhotep split plan',
      },
    )
    this.table = table
  }
}

/** A table was altered while its rows were on their way. */
export class MovedTableAlteredError extends ImhotepError {
  readonly code = 'IMH_SPLIT_DDL'
  readonly table: TableName
  constructor(table: TableName, what: string) {
    super(`${tableId(table)} was altered in mid-move: ${what}`, {
      hint: 'cancel and run the move again: imhotep split cancel, then run; hold back migrations until it is over',
    })
    this.table = table
  }
}

/** Clients held a table for so long that it could not be locked. */
export class TableBusyError extends ImhotepError {
  readonly code = 'IMH_SPLIT_BUSY'
  override readonly exitCode = 2
  constructor(seconds: number, options: ErrorOptions = {}) {
    super(`the tables could not be locked for a moment within ${seconds} s`, {
      ...options,
      hint: 'end long transactions (select pid, xact_start, query from pg_stat_activity order by xact_start) and run it again',
    })
  }
}

/** Transactions that were under way did not end, so that there was no moment to look at. */
export class WritersBusyError extends ImhotepError {
  readonly code = 'IMH_SPLIT_LONG_TRANSACTION'
  override readonly exitCode = 2
  constructor(seconds: number, writers: readonly string[], options: ErrorOptions = {}) {
    const who = writers.length === 0 ? 'a transaction that writes' : writers.slice(0, 3).join(', ')
    super(`${who} has not ended within ${seconds} s`, {
      ...options,
      hint: 'wait for it or end it (pg_terminate_backend, rollback prepared), then run this again: it goes on from here',
    })
  }
}

/** The server has no log of changes under this name, or has thrown a part of it away. */
export class ChangeLogLostError extends ImhotepError {
  readonly code = 'IMH_SPLIT_LOG_LOST'
  readonly log: string
  constructor(log: string, reason: string) {
    super(`the log '${log}' cannot be read: ${reason}`, {
      hint: 'cancel the move and begin anew; raise max_slot_wal_keep_size when the server ran out of room for it',
    })
    this.log = log
  }
}

/** A table that must not be published as it is. */
export class UnpublishableTableError extends ImhotepError {
  readonly code = 'IMH_SPLIT_REPLICA_IDENTITY'
  constructor({ message, hint }: { readonly message: string; readonly hint: string }) {
    super(message, { hint })
  }
}

/** The log exists already, for other tables. */
export class ChangeLogTablesError extends ImhotepError {
  readonly code = 'IMH_SPLIT_LOG_TABLES'
  readonly log: string
  constructor(log: string) {
    super(`the log '${log}' is kept for other tables`, {
      hint: 'cancel the move that made it: imhotep split cancel, then run',
    })
    this.log = log
  }
}

/** Another process reads or applies the same log. */
export class ChangeLogInUseError extends ImhotepError {
  readonly code = 'IMH_SPLIT_LOG_IN_USE'
  override readonly exitCode = 2
  readonly log: string
  constructor(log: string, options: ErrorOptions = {}) {
    super(`another process works on the log '${log}'`, {
      ...options,
      hint: 'stop the other run, or wait until the server has noticed that it is gone',
    })
    this.log = log
  }
}

/** The log does not say which row a change was for. */
export class ChangeWithoutKeyError extends ImhotepError {
  readonly code = 'IMH_SPLIT_CHANGE_WITHOUT_KEY'
  readonly table: TableName
  constructor(table: TableName) {
    super(`a change of ${tableId(table)} does not tell the row's key`, {
      hint: `run: alter table ${tableId(table)} replica identity full; then cancel the move and begin anew`,
    })
    this.table = table
  }
}

/** A database that was to be dropped is in use. */
export class ServiceDatabaseInUseError extends ImhotepError {
  readonly code = 'IMH_SPLIT_DATABASE_IN_USE'
  readonly database: string
  constructor(database: string, clients: number) {
    super(`${clients} client${clients === 1 ? ' is' : 's are'} connected to database '${database}'`, {
      hint: 'stop the service that uses it, look at what it wrote there, and run it again',
    })
    this.database = database
  }
}

/** The rows of a read-only copy did not arrive. */
export class ReadOnlyCopyError extends ImhotepError {
  readonly code = 'IMH_SPLIT_READ_ONLY_COPY'
  constructor(tables: readonly string[]) {
    super(`the copies of ${tables.join(', ')} are still not complete`, {
      hint: "read the log of the reader's server, and pg_stat_subscription there",
    })
  }
}
