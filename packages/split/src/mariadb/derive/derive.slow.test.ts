import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { applyMigrations, readCatalog as readPostgresCatalog } from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { generateNilecare } from '../../../../../tests/split/nilecare/generate.ts'
import { installNilecare, nilecareFolder } from '../../../../../tests/split/nilecare/install.ts'
import { emptyDatabase, type TestDatabase } from '../../../../../tests/support/database.ts'
import { mariadbDatabase, needsMariadb, type MariadbDatabase } from '../../../../../tests/support/mariadb.ts'
import { checkOwnerMap } from '../../map/check-owner-map.ts'
import { SHARED_READ, type CheckedOwnerMap } from '../../map/owner-map.ts'
import { readOwnerMap } from '../../map/read-owner-map.ts'
import type { Key, SharedTable } from '../../model.ts'
import type { SharedCatalog } from '../../side.ts'
import { mapTables, type MappedTables } from '../../types/map-tables.ts'
import { openServiceDatabase } from '../../postgres/open-postgres-side.ts'
import { readCatalog } from '../catalog.ts'
import { mapDatabase } from '../map-database.fixture.ts'
import { closing } from '../postgres-twin.fixture.ts'
import { openSession } from '../session.ts'
import { openSnapshot } from '../snapshot.ts'
import { deriveServiceSchema, type DerivedServiceSchema } from './derive-service-schema.ts'

const options = { skip: needsMariadb }

async function catalogOf({ url, name }: MariadbDatabase): Promise<SharedCatalog> {
  const session = await openSession(url)
  try {
    return await readCatalog(session, name)
  } finally {
    await session.close()
  }
}

/** Types as they are without a look at the rows. */
function mapWithoutRows(catalog: SharedCatalog, map?: CheckedOwnerMap): MappedTables {
  return mapTables(catalog.tables, {
    facts: () => ({ rows: 0, columns: new Map() }),
    policies: (table) => {
      const owned = map?.tables.find((candidate) => candidate.table === table)
      const zeroDate = table.columns.map(({ name }) => owned?.zeroDate(name)).find((policy) => policy != null)
      return { key: owned?.key ?? table.primaryKey, ...(zeroDate ? { zeroDate } : {}) }
    },
  })
}

async function install(url: string, { files }: DerivedServiceSchema): Promise<void> {
  const sources = Object.entries(files).map(([path, text]) => ({ path, text }))
  await applyMigrations(url, { files: sources })
}

async function withPostgres(work: (db: Database, database: TestDatabase) => Promise<void>): Promise<void> {
  await using database = await emptyDatabase()
  const db = connect(database.url)
  try {
    await work(db, database)
  } finally {
    await db.close()
  }
}

void test('deriveServiceSchema: the services of NileCare', options, async (t) => {
  await using source = await mariadbDatabase()
  await installNilecare(source.url)
  const catalog = await catalogOf(source)
  const yaml = await readFile(`${nilecareFolder}nilecare.yaml`, 'utf8')
  const map = checkOwnerMap(readOwnerMap(yaml, 'nilecare.yaml'), catalog, { source: source.name })
  const { tables } = mapWithoutRows(catalog, map)
  const ownerOf = new Map(map.tables.map(({ table, owner }) => [table.name, owner]))
  const isInside = (service: string, table: string) => [service, SHARED_READ].includes(ownerOf.get(table) ?? '')
  const seen = new Set<string>()

  for (const service of map.services.filter(({ database }) => database !== null)) {
    await t.test(`${service.name}: all tables, columns and keys are there, and the rest is named`, async () => {
      const inside = tables.filter(({ source: { name } }) => isInside(service.name, name))
      const derived = deriveServiceSchema(catalog, inside)

      await withPostgres(async (db, database) => {
        await install(database.url, derived)
        const made = await readPostgresCatalog(db)
        const shared = catalog.tables.filter(({ name }) => isInside(service.name, name))
        for (const table of shared) {
          seen.add(table.name)
          const here = made.tables.get(`public.${table.name}`)
          assert.ok(here, table.name)
          assert.deepEqual([...here.columns.keys()].toSorted(), table.columns.map(({ name }) => name).toSorted())
          const primary = [...here.constraints.values()].find(({ kind }) => kind === 'primary key')
          const moved = inside.find((candidate) => candidate.source.name === table.name)
          assert.deepEqual(primary?.columns, moved?.key)
          const foreign = [...here.constraints.values()].filter(({ kind }) => kind === 'foreign key')
          assert.deepEqual(
            foreign.map(({ name }) => name).toSorted(),
            keysOf(table, (parent) => isInside(service.name, parent)),
          )
          const indexes = [...here.indexes.values()].filter(({ name }) => name !== primary?.name)
          assert.deepEqual(
            indexes.map(({ unique, keys }) => `${unique} ${keys.map(({ column }) => column).join()}`).toSorted(),
            table.indexes.map(({ unique, columns }) => `${unique} ${columns.join()}`).toSorted(),
          )
        }
        const crossing = shared.flatMap((table) =>
          keysOf(table, (parent) => !isInside(service.name, parent)).map((key) => named('foreign key', key, table)),
        )
        const triggers = catalog.triggers
          .filter(({ table }) => isInside(service.name, table.name))
          .map(({ name, table }) => named('trigger', name, table))
        assert.deepEqual(derived.leftOut.map(({ object }) => object).toSorted(), [...crossing, ...triggers].toSorted())
      })
    })
  }
  assert.equal(seen.size, 87)
})

function keysOf(table: SharedTable, wanted: (parent: string) => boolean): string[] {
  return table.foreignKeys
    .filter(({ references }) => wanted(references.name))
    .map(({ name }) => name)
    .toSorted()
}

function named(kind: string, name: string, { schema, name: table }: { schema: string; name: string }): string {
  return `${kind} ${name} on ${schema}.${table}`
}

void test(
  'deriveServiceSchema: rows fit between the two files, are the same by digest, and compute the same',
  options,
  async () => {
    await using source = await mariadbDatabase()
    await installNilecare(source.url)
    await generateNilecare(source.url, { rows: 3_000 })
    const mapped = await mapDatabase(source.url, { zeroDate: { sentinel: '1900-01-01' } })
    const catalog = await catalogOf(source)
    const inside = mapped.tables.filter(
      ({ source: { name }, key }) => clinicalAndBilling.includes(name) && key.length > 0,
    )
    const { files, foreignKeys } = deriveServiceSchema(catalog, inside, { findings: mapped.findings })
    await using database = await emptyDatabase()
    await using target = closing(await openServiceDatabase(database.url, { origin: 'mariadb', foreignKeys }))
    const [tables, keys] = Object.entries(files).map(([path, text]) => ({ path, text }))
    assert.ok(tables && keys)

    await applyMigrations(database.url, { files: [tables] })
    await using snapshot = closing(await openSnapshot(source.url, inside))
    for (const table of inside) {
      for (let after: Key | null = null; ;) {
        const chunk = await snapshot.chunk(table, after, 1_000)
        await target.load(table, chunk)
        if (chunk.last === null) break
        after = chunk.last
      }
    }
    await applyMigrations(database.url, { files: [tables, keys] })

    await using copied = closing(await target.snapshot(inside, { exact: false }))
    for (const table of inside) {
      assert.deepEqual(
        await copied.digestRange(table, null, null),
        await snapshot.digestRange(table, null, null),
        table.target.name,
      )
    }
    assert.deepEqual(await target.orphans(), [])
    const computed = `select count(*) as n, count(bmi) as bmi, sum(round(bmi * 100)) as total from vital_signs`
    const names = `select md5(MANY) as names from patients`
    const maria = await openSession(source.url)
    const there = [
      ...(await maria.rows(computed)).flat(),
      await maria.value(names.replace('MANY', `group_concat(full_name_ar order by id separator '|')`)),
      ...(await maria.rows('select sum(amount), count(*) from invoice_lines')).flat(),
      ...(await maria.rows('select sum(balance), count(*) from invoices')).flat(),
    ]
    await maria.close()
    const db = connect(database.url)
    const here = [
      ...(await db.query<Sums>(computed)),
      ...(await db.query<Sums>(names.replace('MANY', `string_agg(full_name_ar, '|' order by id)`))),
      ...(await db.query<Sums>('select sum(amount), count(*) from invoice_lines')),
      ...(await db.query<Sums>('select sum(balance), count(*) from invoices')),
    ].flatMap((row) => Object.values(row).map(String))
    await db.close()
    assert.deepEqual(here, there)
  },
)

type Sums = Record<string, string | number | null>

const clinicalAndBilling = (
  'countries currencies icd_codes patients patient_identifiers encounters diagnoses vital_signs users roles user_roles ' +
  'settings invoices invoice_lines lab_results lab_order_items lab_orders'
).split(' ')

const workshop = String.raw`
  create table tools (
    id int unsigned not null auto_increment, code varchar(20) not null, label varchar(40) collate utf8mb4_bin not null,
    body text, price decimal(8, 2) not null default 1.50, amount int not null default 3, weight double default null,
    mask bit(6) not null default b'000101', marked bit(1) default b'1', tags set('new','a b') default 'new,a b',
    state enum('open','it''s') not null default 'it''s', is_new tinyint(1) not null default 1,
    made_on date default curdate(), number char(36) default uuid(), seen_at datetime(3) default current_timestamp(3),
    changed_at timestamp(3) not null default current_timestamp(3) on update current_timestamp(3),
    note varchar(60) default 'it''s \\ "x"\n', below int default -5, raw varbinary(3) default 'abc', extra json default '{"a": 1}',
    total decimal(12, 2) generated always as (price * amount) stored,
    twice_total decimal(12, 2) generated always as (total * 2) virtual,
    share decimal(12, 6) generated always as (price / (amount - 1)) virtual,
    half int generated always as (below div 2 + below mod 3) virtual,
    title varchar(120) generated always as (concat(ucase(code), ' ', state, '-', amount)) stored,
    quarter int generated always as (case when price is null then 1 when amount between 1 and 3 then 2 else year(made_on) end) virtual,
    flagged tinyint(1) generated always as (state in ('open', 'it''s') and not (amount <=> 4) xor is_new = 1) virtual,
    words varchar(99) generated always as (json_value(extra, '$.a')) virtual,
    primary key (id), unique key (code), unique key labels (label), unique key beginnings (note(4)),
    key amounts (amount desc, code(5)), key bodies (body(20)), fulltext key search (body),
    constraint positive check (price > 0 and amount <> 13), constraint known check (code <> 'NONE' and label like '%'),
    constraint spelled check (note <> 'nobody' or is_new)
  ) comment 'it''s a table'`

void test('deriveServiceSchema: a table with everything', options, async (t) => {
  await using source = await mariadbDatabase(workshop)
  const catalog = await catalogOf(source)
  const { tables } = mapWithoutRows(catalog)
  const derived = deriveServiceSchema(catalog, tables)
  const database = await emptyDatabase()
  const db = connect(database.url)
  const maria = await openSession(source.url)
  try {
    await install(database.url, derived)

    await t.test('files run again change nothing', async () => {
      const once = await readPostgresCatalog(db)
      for (const text of Object.values(derived.files)) {
        const connection = await db.dedicated()
        await connection.script(text).finally(() => connection.release())
      }
      assert.deepEqual(await readPostgresCatalog(db), once)
    })

    await t.test('what has no equal is named with a way out', () => {
      assert.deepEqual(
        derived.leftOut.map(({ object }) => object.replace(/ on .*/, '')),
        ['generated column words', 'whole values in index bodies', 'index search', 'check known'],
      )
      assert.ok(derived.leftOut.every(({ reason, wayOut }) => reason !== '' && wayOut !== ''))
    })

    await t.test('defaults and generated columns have the values of MariaDB', async () => {
      const names = `price, amount, mask + 0 as mask, state, note, below, total, twice_total, share, half, title, quarter`
      const insert = `insert into tools (code, label, price, amount, below, made_on, note) values `
      const rows = [
        `('a', 'xa', 10.01, 4, -7, '2024-02-29', 'one')`,
        `('b', 'xb', 0.35, 1, 8, null, 'two')`,
        `('ä1', 'xc', 99.99, 7, null, '2026-01-01', 'three')`,
      ]
      for (const row of rows) {
        await maria.run(insert + row)
        await db.query(insert + row)
      }
      await maria.run(`insert into tools (code, label) values ('c', 'xd')`)
      await db.query(`insert into tools (code, label) values ('c', 'xd')`)

      const there = await maria.rows(
        `select ${names}, flagged + 0, is_new + 0, marked + 0, tags, hex(raw) from tools order by id`,
      )
      const here = await db.query<Record<string, string | null>>(
        `select ${names.replace(' + 0 as mask', '').replaceAll(/\w+/g, '$&::text')}, flagged::int::text as flagged,
                is_new::int::text as is_new, marked::int::text as marked, array_to_string(tags, ',') as tags,
                upper(encode(raw, 'hex')) as raw
           from tools order by id`,
      )
      assert.deepEqual(
        here.map((row) => Object.values(row)),
        there,
      )
      const [made] = await db.query(
        `select length(number) = 36 and made_on = current_date and seen_at is not null as ok from tools where code = 'c'`,
      )
      assert.deepEqual(made, { ok: true })
    })

    await t.test('texts that are equal in MariaDB are duplicates here, and others are not', async () => {
      const insert = (code: string, label: string, note: string) =>
        `insert into tools (code, label, note) values ('${code}', '${label}', '${note}')`
      const refused = async (run: Promise<unknown>) =>
        run.then(
          () => false,
          () => true,
        )
      for (const [code, label, note] of [
        ['x', 'x1', 'n001'],
        ['X', 'x2', 'n002'],
        ['é', 'x3', 'n003'],
        ['E', 'x4', 'n004'],
        ['y', 'X1', 'n005'],
        ['z', 'x1', 'n006'],
        ['w', 'x5', 'N006'],
        ['v', 'x6', 'n0055'],
      ] as const) {
        const sql = insert(code, label, note)
        assert.equal(await refused(db.query(sql)), await refused(maria.run(sql)), sql)
      }
    })

    await t.test('values that MariaDB refuses are refused', async () => {
      for (const change of [
        `price = -1`,
        `amount = 13`,
        `state = 'closed'`,
        `tags = '{old}'`,
        `mask = 64`,
        `raw = 'abcd'`,
        `note = 'NOBODY', is_new = false`,
      ]) {
        await assert.rejects(
          db.query(`update tools set ${change} where code = 'a'`),
          /violates check constraint/,
          change,
        )
      }
    })

    await t.test('a changed row is stamped, unless the mover changes it', async () => {
      const stamp = `select changed_at::text as at from tools where code = 'a'`
      const [before] = await db.query(stamp)
      await db.query(`update tools set code = 'a' where code = 'a'`)
      assert.deepEqual(await db.query(stamp), [before])
      await db.transaction(async (tx) => {
        await tx.query(`set local session_replication_role = replica`)
        await tx.query(`update tools set amount = 5 where code = 'a'`)
      })
      assert.deepEqual(await db.query(stamp), [before])

      await db.query(`update tools set code = 'A' where code = 'a'`)

      assert.notDeepEqual(await db.query(stamp), [before])
    })
  } finally {
    await maria.close()
    await db.close()
    await database.drop()
  }
})
