import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { applyMigrations, type MigrateOptions } from './apply-migrations.ts'
import {
  HistoryTableError,
  MigrationEditedError,
  MigrationFailedError,
  MigrationMissingError,
  MigrationStatementError,
  MigrationSyntaxError,
  OutOfOrderConflictError,
  OutOfOrderError,
  UnknownVersionError,
} from './errors.ts'

type Files = Record<string, string>

interface Fixture {
  readonly url: string
  readonly migrate: (files: Files, options?: Omit<MigrateOptions, 'files'>) => ReturnType<typeof applyMigrations>
  readonly query: <T = Record<string, unknown>>(sql: string) => Promise<T[]>
  readonly tables: () => Promise<string[]>
}

async function withDatabase(work: (fixture: Fixture) => Promise<void>): Promise<void> {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)
  try {
    await work({
      url: empty.url,
      migrate: (files, options) =>
        applyMigrations(empty.url, {
          ...options,
          files: Object.entries(files).map(([path, text]) => ({ path, text })),
        }),
      query: (sql) => database.query(sql),
      tables: async () => {
        const rows = await database.query<{ name: string }>(
          `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`,
        )
        return rows.map(({ name }) => name)
      },
    })
  } finally {
    await database.close()
  }
}

const A = { 'V001__a.sql': 'create table a (id int)' }
const B = { 'V002__b.sql': 'create table b (id int);' }

test('applyMigrations: applies what is pending in version order and nothing a second time', () =>
  withDatabase(async ({ migrate, tables }) => {
    const files = { 'V010__c.sql': 'alter table b add c int', ...A, ...B, 'U001__a.sql': 'drop table a' }

    const first = await migrate(files)
    const second = await migrate(files)

    assert.deepEqual(
      first.applied.map(({ version, file }) => [version, file]),
      [
        ['001', 'V001__a.sql'],
        ['002', 'V002__b.sql'],
        ['010', 'V010__c.sql'],
      ],
    )
    assert.deepEqual([first.already, first.pending], [0, 0])
    assert.deepEqual([second.applied, second.already, second.pending], [[], 3, 0])
    assert.deepEqual(await tables(), ['a', 'b'])
  }))

test('applyMigrations: records text, checksum, chain and duration of each file', () =>
  withDatabase(async ({ migrate, query }) => {
    const body = String.raw`select 'it''s \n', E'\'', $$ \ ' $$; -- ü 😀` + '\r\n'

    await migrate({ 'V001__a.sql': body, ...B })

    const rows = await query<{ body: string; version: string; intact: boolean; kind: string }>(
      `select version, kind, body, success and statements_done = 0 and duration_ms between 0 and 60000
         and chain = sha256(coalesce(lag(chain) over (order by applied_at), '') || checksum)
         and checksum = sha256(convert_to(body, 'UTF8')) and length(normalized) = 32 as intact
       from core.schema_migrations order by version`,
    )
    assert.deepEqual(rows, [
      { version: '001', kind: 'versioned', body, intact: true },
      { version: '002', kind: 'versioned', body: B['V002__b.sql'], intact: true },
    ])
  }))

test('applyMigrations: keeps the history in the table it is told, the same file under a new name stays applied', () =>
  withDatabase(async ({ migrate, query }) => {
    await migrate(A, { historyTable: 'meta.history' })

    const again = await migrate({ '1_renamed.sql': A['V001__a.sql'] }, { historyTable: 'meta.history' })

    assert.equal(again.already, 1)
    assert.deepEqual(await query('select file from meta.history'), [{ file: 'V001__a.sql' }])
    await assert.rejects(query('select from core.schema_migrations'))
  }))

test('applyMigrations: refuses a table of another tool as history', () =>
  withDatabase(async ({ migrate, query }) => {
    await query('create table history (version bigint primary key)')

    await assert.rejects(migrate(A, { historyTable: 'history' }), HistoryTableError)
  }))

test('applyMigrations: a file that fails leaves nothing, the files before it stay', () =>
  withDatabase(async ({ migrate, tables, query }) => {
    const broken = {
      ...A,
      'V002__b.sql': 'create table b (id int);\ninsert into b values (1);\nselect 1/(id - 1) from b;',
    }

    await assert.rejects(migrate(broken), (error: MigrationFailedError) => {
      assert.deepEqual([error.file, error.line, error.sqlstate], ['V002__b.sql', 3, '22012'])
      return true
    })

    assert.deepEqual(await tables(), ['a'])
    assert.deepEqual(await query('select version from core.schema_migrations'), [{ version: '001' }])
  }))

test('applyMigrations: shows line, column and caret of the name that PostgreSQL does not know', () =>
  withDatabase(async ({ migrate }) => {
    const file = { 'V001__a.sql': "-- 😀 é\nselect '😀', 1;\n\tselect '😀', nope from pg_class" }

    await assert.rejects(migrate(file), (error: MigrationFailedError) => {
      assert.deepEqual([error.line, error.column], [3, 15])
      assert.match(error.message, /^V001__a\.sql:3:15: column "nope" does not exist/)
      assert.match(error.frame ?? '', /^3 \| \tselect '😀', nope from pg_class\n {2}\| \t {13}\^$/m)
      return true
    })
  }))

test('applyMigrations: names every syntax error of every pending file and applies none of them', () =>
  withDatabase(async ({ migrate, tables }) => {
    const files = {
      ...A,
      'V002__b.sql': 'create table b (id int);\ncreat table c ();\nselect )',
      'V003__c.sql': 'selec 1',
    }

    await assert.rejects(migrate(files), (error: MigrationSyntaxError) => {
      assert.deepEqual(
        error.errors.map(({ file, line, column }) => `${file}:${line}:${column}`),
        ['V002__b.sql:2:1', 'V002__b.sql:3:8', 'V003__c.sql:1:1'],
      )
      assert.match(error.message, /\^/)
      return true
    })

    assert.deepEqual(await tables(), [])
  }))

test('applyMigrations: finds a constraint that fails at commit in no file line, and takes the file back', () =>
  withDatabase(async ({ migrate, tables }) => {
    const file =
      'create table a (id int primary key, b int references a deferrable initially deferred); insert into a values (1, 2)'

    await assert.rejects(migrate({ 'V001__a.sql': file }), (error: MigrationFailedError) => {
      assert.deepEqual([error.file, error.line, error.sqlstate], ['V001__a.sql', null, '23503'])
      return true
    })

    assert.deepEqual(await tables(), [])
  }))

test('applyMigrations: only warns when comments, white space or line ends of an applied file changed', () =>
  withDatabase(async ({ migrate }) => {
    await migrate(A)

    const result = await migrate({ 'V001__a.sql': '-- why\r\ncreate   table a (id int);\r\n' })

    assert.equal(result.already, 1)
    assert.match(result.warnings[0] ?? '', /'V001__a\.sql'.*comments or white space/)
  }))

test('applyMigrations: refuses an edited file with a diff and applies nothing behind it', () =>
  withDatabase(async ({ migrate, tables }) => {
    await migrate(A)

    await assert.rejects(
      migrate({ 'V001__a.sql': 'create table a (id bigint)', ...B }),
      (error: MigrationEditedError) => {
        assert.match(error.message, /-create table a \(id int\)\n\+create table a \(id bigint\)/)
        assert.match(error.hint ?? '', /imhotep repair 001/)
        return true
      },
    )

    assert.deepEqual(await tables(), ['a'])
  }))

test('applyMigrations: refuses files that are older than the history', () =>
  withDatabase(async ({ migrate }) => {
    await migrate({ ...A, ...B })

    await assert.rejects(migrate(A), (error: MigrationMissingError) => {
      assert.deepEqual(
        error.missing.map(({ file }) => file),
        ['V002__b.sql'],
      )
      return true
    })
  }))

test('applyMigrations: warns about a history that was changed by hand', () =>
  withDatabase(async ({ migrate, query }) => {
    await migrate({ ...A, ...B })
    await query(`update core.schema_migrations set chain = 'x' where version = '001'`)

    const { warnings } = await migrate({ ...A, ...B })

    assert.match(warnings[0] ?? '', /changed by hand at or before version 001/)
  }))

test('applyMigrations: refuses a late version, and applies it when told and nothing is in common', () =>
  withDatabase(async ({ migrate, tables }) => {
    await migrate({ ...A, 'V003__c.sql': 'create table c (id int)' })

    await assert.rejects(
      migrate({ ...A, ...B, 'V003__c.sql': 'create table c (id int)' }),
      (error: OutOfOrderError) => {
        assert.deepEqual([error.files, error.newest], [['V002__b.sql'], '003'])
        return true
      },
    )
    const result = await migrate({ ...A, ...B, 'V003__c.sql': 'create table c (id int)' }, { outOfOrder: true })

    assert.deepEqual(
      result.applied.map(({ version }) => version),
      ['002'],
    )
    assert.deepEqual(await tables(), ['a', 'b', 'c'])
  }))

test('applyMigrations: refuses a late version that touches what a newer one touches, naming both and the object', () =>
  withDatabase(async ({ migrate }) => {
    const newer = { 'V003__c.sql': 'alter table a add c int' }
    await migrate({ ...A, ...newer })

    const late = migrate({ ...A, 'V002__b.sql': 'alter table a add b int', ...newer }, { outOfOrder: true })

    await assert.rejects(late, (error: OutOfOrderConflictError) => {
      assert.deepEqual([error.pending, error.applied, error.objects], ['V002__b.sql', 'V003__c.sql', ['public.a']])
      return true
    })
  }))

test('applyMigrations: stops behind the version it is told, and tells what is left', () =>
  withDatabase(async ({ migrate, tables }) => {
    const files = {
      ...A,
      ...B,
      'V003__c.sql': 'create table c (id int)',
      'R__v.sql': 'create or replace view v as select 1',
    }

    const result = await migrate(files, { to: '2' })

    assert.deepEqual(await tables(), ['a', 'b'])
    assert.deepEqual(
      result.pendingFiles.map(({ file }) => file),
      ['V003__c.sql', 'R__v.sql'],
    )
    await assert.rejects(migrate(files, { to: '9' }), UnknownVersionError)
  }))

test('applyMigrations: a dry run checks, tells what it would do, and changes nothing, not even the history table', () =>
  withDatabase(async ({ migrate, query }) => {
    const files = { ...A, 'V002__b.sql': 'create index concurrently a_id on a (id)' }

    const result = await migrate(files, { dryRun: true })

    assert.deepEqual(result.pendingFiles, [
      { version: '001', file: 'V001__a.sql', transactional: true },
      { version: '002', file: 'V002__b.sql', transactional: false },
    ])
    assert.deepEqual([result.applied, result.pending], [[], 2])
    assert.deepEqual(await query(`select from pg_namespace where nspname = 'core'`), [])
    await assert.rejects(migrate({ ...files, 'V003__c.sql': 'selec' }, { dryRun: true }), MigrationSyntaxError)
  }))

test('applyMigrations: all or nothing takes earlier files back when a later one fails', () =>
  withDatabase(async ({ migrate, tables, query }) => {
    const broken = { ...A, 'V002__b.sql': 'create table b (id int);\ninsert into b values (1/0)' }

    await assert.rejects(migrate(broken, { allOrNothing: true }), (error: MigrationFailedError) => {
      assert.deepEqual([error.file, error.line], ['V002__b.sql', 2])
      return true
    })
    assert.deepEqual(await tables(), [])
    const result = await migrate({ ...A, ...B }, { allOrNothing: true })

    assert.equal(result.applied.length, 2)
    assert.deepEqual(await query('select version from core.schema_migrations order by applied_at'), [
      { version: '001' },
      { version: '002' },
    ])
    assert.deepEqual((await migrate({ ...A, ...B })).warnings, [])
  }))

test('applyMigrations: all or nothing refuses a file that cannot be in a transaction', () =>
  withDatabase(async ({ migrate, tables }) => {
    const files = { ...A, 'V002__b.sql': 'vacuum a' }

    await assert.rejects(migrate(files, { allOrNothing: true }), MigrationStatementError)

    assert.deepEqual(await tables(), [])
  }))

test('applyMigrations: runs repeatable files last, and again when they change', () =>
  withDatabase(async ({ migrate, query }) => {
    const view = (value: number) => ({ 'R__v.sql': `create or replace view v as select ${value} as n from a`, ...A })
    await migrate(view(1))
    await query('insert into a values (0)')

    const unchanged = await migrate(view(1))
    const changed = await migrate(view(2))

    assert.deepEqual([unchanged.applied, changed.applied.map(({ version }) => version)], [[], ['R__v']])
    assert.deepEqual(await query('select n from v'), [{ n: 2 }])
    assert.equal((await migrate({ ...A, ...B })).applied.length, 1)
  }))

test('applyMigrations: of many syntax errors the first five are told, and how many more there are', () =>
  withDatabase(async ({ migrate }) => {
    const files = { 'V001__a.sql': 'create table @schema.a (id int);\n'.repeat(40) }

    await assert.rejects(migrate(files), (error: MigrationSyntaxError) => {
      assert.deepEqual([error.errors.length, error.message.match(/V001__a\.sql:\d+:14/g)?.length], [40, 5])
      assert.match(error.message, /and 35 more$/)
      assert.match(error.hint ?? '', /^@schema is a placeholder of another program/)
      return true
    })
  }))

test('applyMigrations: fills placeholders, and another value later is not an edit', () =>
  withDatabase(async ({ migrate, tables }) => {
    const files = { 'V001__a.sql': 'create table ${name} (id int)' }

    await migrate(files, { placeholders: { name: 'filled' } })
    const again = await migrate(
      { 'V001__a.sql': '-- c\ncreate table ${name} (id int)' },
      { placeholders: { name: 'x' } },
    )

    assert.deepEqual([await tables(), again.already], [['filled'], 1])
  }))

test('applyMigrations: role, search path and settings of one file do not reach the next, nor its history row', () =>
  withDatabase(async ({ migrate, query, url }) => {
    const role = `stranger_${new URL(url).pathname.slice(1)}`
    const files = {
      'V001__a.sql': `create role ${role}; set role ${role}; set search_path = nowhere; set work_mem = '77MB'; -- end`,
      'V002__b.sql': `create table b as select current_setting('work_mem') as work_mem, current_user = session_user as same`,
    }
    try {
      for (const allOrNothing of [false, true]) {
        await migrate(files, { allOrNothing })

        assert.deepEqual(await query(`select work_mem <> '77MB' as reset, same from b`), [{ reset: true, same: true }])
        await query('drop table b')
        await query('drop schema core cascade')
        await query(`drop role ${role}`)
      }
    } finally {
      await query(`drop role if exists ${role}`)
    }
  }))

test('applyMigrations: accepts BEGIN and COMMIT around a whole file, refuses them inside', () =>
  withDatabase(async ({ migrate, tables }) => {
    await migrate({ 'V001__a.sql': 'begin;\ncreate table a (id int);\ncommit;' })

    const inside = migrate({ 'V002__b.sql': 'create table b ();commit;select 1/0' }, { historyTable: 'other.history' })

    await assert.rejects(inside, MigrationStatementError)
    assert.deepEqual(await tables(), ['a'])
  }))
