import type { MovedTable } from '../model.ts'
import type { Obstacle } from '../side.ts'
import { parseSourceType, typeFamily } from '../types/source-type.ts'
import { isKnownCharset } from './binlog/charset.ts'
import { readRights, type Rights } from './rights.ts'
import type { Session } from './session.ts'
import { quoteText } from './sql-text.ts'
import { triggerObstacles } from './trigger-obstacles.ts'

const dayInSeconds = 86_400

/** What would keep the tables from being moved away. */
export async function findObstacles(
  session: Session,
  database: string,
  tables: readonly MovedTable[],
): Promise<Obstacle[]> {
  const settings = await readSettings(session)
  const granted = await readRights(session, database)
  return [
    ...binlogObstacles(settings),
    ...(settings.get('log_bin') === 'ON' ? await filterObstacles(session, database) : []),
    ...rightObstacles(database, granted),
    ...(await triggerObstacles(session, database, tables, granted)),
    ...(await tableObstacles(session, tables)),
  ]
}

type Settings = ReadonlyMap<string, string>

async function readSettings(session: Session): Promise<Settings> {
  const rows = await session.rows(
    `show global variables where variable_name in ('log_bin', 'binlog_format', 'binlog_row_image', 'expire_logs_days',
       'binlog_expire_logs_seconds', 'binlog_row_value_options', 'binlog_transaction_compression')`,
  )
  return new Map(rows.map(([name, value]) => [name ?? '', value ?? '']))
}

function binlogObstacles(settings: Settings): Obstacle[] {
  if (settings.get('log_bin') !== 'ON') {
    return [
      {
        code: 'IMH_SPLIT_NO_BINLOG',
        message: 'the server writes no binlog',
        hint: 'set log_bin, binlog_format=ROW and binlog_row_image=FULL in its configuration and restart it',
      },
    ]
  }
  const found: Obstacle[] = []
  const expect = (name: string, wanted: string, hint: string) => {
    const value = settings.get(name)
    if (value === undefined || value === wanted) return
    found.push({
      code: 'IMH_SPLIT_BINLOG_FORMAT',
      message: `${name} is ${value || 'empty'}, not ${wanted || 'empty'}`,
      hint,
    })
  }
  expect('binlog_format', 'ROW', 'run: set global binlog_format = ROW; then let all clients connect anew')
  expect('binlog_row_image', 'FULL', 'run: set global binlog_row_image = FULL; then let all clients connect anew')
  expect('binlog_row_value_options', '', `run: set global binlog_row_value_options = ''`)
  expect('binlog_transaction_compression', 'OFF', 'run: set global binlog_transaction_compression = OFF')
  const seconds = expiry(settings)
  if (seconds > 0 && seconds < dayInSeconds) {
    found.push({
      code: 'IMH_SPLIT_BINLOG_EXPIRY',
      message: `the server forgets its binlog after ${seconds} s`,
      hint: 'keep it for longer than the move takes: set global binlog_expire_logs_seconds = 604800 (or expire_logs_days = 7)',
    })
  }
  return found
}

function expiry(settings: Settings): number {
  const seconds = Number(settings.get('binlog_expire_logs_seconds') ?? 0)
  return seconds > 0 ? seconds : Number(settings.get('expire_logs_days') ?? 0) * dayInSeconds
}

async function filterObstacles(session: Session, database: string): Promise<Obstacle[]> {
  const [row] = await session.rows('show master status').catch(() => [])
  const [, , only = '', without = ''] = row ?? []
  const isLogged = (!only || only.split(',').includes(database)) && !without?.split(',').includes(database)
  if (isLogged) return []
  return [
    {
      code: 'IMH_SPLIT_NO_BINLOG',
      message: `changes of ${database} are left out of the binlog`,
      hint: 'take binlog_do_db and binlog_ignore_db out of the configuration and restart the server',
    },
  ]
}

/** Of the server, and of the database; MariaDB renamed some in 10.5. */
const rights: readonly (readonly [shown: string, scope: 'server' | 'database', pattern: RegExp])[] = [
  ['REPLICATION SLAVE', 'server', /\breplication (?:slave|replica)\b/i],
  ['REPLICATION CLIENT (BINLOG MONITOR)', 'server', /\b(?:replication client|binlog monitor)\b/i],
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'ALTER', 'REFERENCES', 'TRIGGER', 'LOCK TABLES'].map(
    (name) => [name, 'database', new RegExp(String.raw`(?:^|, )${name}(?:,|$)`, 'i')] as const,
  ),
]

function rightObstacles(database: string, granted: Rights): Obstacle[] {
  const missing = rights.filter(([, scope, pattern]) => !granted.has(scope, pattern))
  if (missing.length === 0) return []
  const names = (scope: string) => missing.filter(([, of]) => of === scope).map(([name]) => name.replace(/ \(.*\)/, ''))
  const grant = (list: string[], object: string) =>
    list.length === 0 ? [] : [`grant ${list.join(', ')} on ${object} to USER`]
  return [
    {
      code: 'IMH_SPLIT_RIGHTS',
      message: `the user lacks ${missing.map(([name]) => name).join(', ')}`,
      hint: `run: ${[...grant(names('server'), '*.*'), ...grant(names('database'), `${database}.*`)].join('; ')}`,
    },
  ]
}

async function tableObstacles(session: Session, tables: readonly MovedTable[]): Promise<Obstacle[]> {
  const found: Obstacle[] = []
  for (const { source, key, columns } of tables) {
    const name = `${source.schema}.${source.name}`
    const [row] = await session.rows(
      `select engine, table_type from information_schema.tables
        where table_schema = ${quoteText(source.schema)} and table_name = ${quoteText(source.name)}`,
    )
    if (row && row[0] !== 'InnoDB') {
      found.push({
        code: 'IMH_SPLIT_ENGINE',
        message: `${name} is kept by ${row[0]}, which has no transactions`,
        hint: `run: alter table ${name} engine = InnoDB`,
      })
    }
    if (row?.[1] === 'SYSTEM VERSIONED') {
      found.push({
        code: 'IMH_SPLIT_TYPE',
        message: `${name} is system-versioned; its history would be lost`,
        hint: `keep its history in a table of its own, then run: alter table ${name} drop system versioning`,
      })
    }
    if (key.length === 0) {
      found.push({
        code: 'IMH_SPLIT_NO_KEY',
        message: `${name} has no primary key`,
        hint: `add one, or name columns that tell its rows apart in the owner map: ${source.name}: { key: [...] }`,
      })
    }
    for (const column of columns) {
      if (typeFamily(parseSourceType(column.sourceType)) !== null) continue
      found.push({
        code: 'IMH_SPLIT_TYPE',
        message: `${name}.${column.name} has the type ${column.sourceType}, which cannot be moved`,
        hint: 'turn the column into one of another type first (ST_AsBinary into a blob, for example)',
      })
    }
  }
  return [...found, ...(await charsetObstacles(session, tables))]
}

async function charsetObstacles(session: Session, tables: readonly MovedTable[]): Promise<Obstacle[]> {
  if (tables.length === 0) return []
  const names = tables.map(({ source }) => `(${quoteText(source.schema)}, ${quoteText(source.name)})`)
  const rows = await session.rows(
    `select table_schema, table_name, column_name, character_set_name from information_schema.columns
      where (table_schema, table_name) in (${names.join(', ')}) and character_set_name is not null`,
  )
  return rows
    .filter(([, , , charset]) => !isKnownCharset(charset ?? ''))
    .map(([schema, table, column, charset]) => ({
      code: 'IMH_SPLIT_TYPE',
      message: `${schema}.${table}.${column} has the character set ${charset}, which cannot be read`,
      hint: `convert the table: alter table ${schema}.${table} convert to character set utf8mb4`,
    }))
}
