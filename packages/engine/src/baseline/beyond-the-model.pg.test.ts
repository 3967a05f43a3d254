import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testServer } from '../../../../tests/support/database.ts'
import { putAsWritten } from './as-written.ts'
import { makeBaseline, type Baseline } from './make-baseline.ts'
import { proveBaseline } from './prove.ts'
import { readDump } from './read-dump.ts'
import { baselineReport } from './report.ts'

// Written by pg_dump of a database with everything that the catalog model does not hold.
const fixture = new URL('./beyond-dump.fixture.txt', import.meta.url).pathname
const directory = mkdtempSync(join(tmpdir(), 'imhotep-beyond-'))
after(() => rmSync(directory, { recursive: true }))

const make = async (options: Parameters<typeof makeBaseline>[1] = {}) => makeBaseline(await readDump(fixture), options)

async function prove(baseline: Baseline, more: { plain?: Baseline; schemas?: string[] } = {}) {
  return proveBaseline(baseline, { server: await testServer(), plain: baseline, ...more })
}

async function baselineOf(...sql: string[]): Promise<Baseline> {
  const file = join(directory, 'dump.sql')
  writeFileSync(file, `${sql.join('\n')}\n`)
  return makeBaseline(await readDump(file))
}

test('makeBaseline: what the model does not hold is neither lost nor in the way of a second run', async () => {
  const baseline = await make({ owner: 'keep' })

  const proof = await prove(baseline)

  assert.deepEqual(proof, { equal: true, idempotent: true, exact: null, rows: null, differences: [] })
})

test('makeBaseline: what stands as it is written is listed, with its line and why', async () => {
  const { kept } = await make()

  const reasons = new Set(kept.map(({ reason }) => reason))

  for (const reason of [
    'alter text search configuration',
    'alter operator family',
    'alter statistics',
    'create transform',
    'type with multirange_type_name, subtype_diff',
    'type with canonical',
    'base type',
    'parameters of an operator class',
    'function with window',
    'access method heap2 of deep.t',
    'storage of deep.t',
  ])
    assert.ok(reasons.has(reason), `${reason}: ${[...reasons].join('; ')}`)
  assert.ok(kept.every(({ line }) => line > 10))
})

test('makeBaseline: a range type that is called as PostgreSQL would call it is printed as ever', async () => {
  const { files, kept } = await make()

  assert.match(files[0]?.text ?? '', /create type deep\.plain_range as range \(subtype = integer\)/)
  assert.ok(kept.every(({ instead }) => instead !== 'type deep.plain_range'))
})

test('makeBaseline: a security label stands as it is written', async () => {
  const baseline = await baselineOf(
    'CREATE TABLE public.t (id integer);',
    `SECURITY LABEL FOR anon ON COLUMN public.t.id IS 'MASKED';`,
  )

  assert.match(baseline.files[0]?.text ?? '', /SECURITY LABEL FOR anon ON COLUMN public\.t\.id IS 'MASKED';/)
  assert.deepEqual(
    baseline.kept.map(({ line, reason }) => [line, reason]),
    [[2, 'security label']],
  )
})

test('makeBaseline: a subscription is left out and listed, its connection stands nowhere', async () => {
  const baseline = await make({ owner: 'keep' })

  const { dump, files } = baseline

  assert.deepEqual(
    dump.leftOut.map(({ statement, reason }) => [statement, reason.split(':')[0]]),
    [['CREATE SUBSCRIPTION sub', 'a subscription']],
  )
  assert.doesNotMatch(`${files[0]?.text}${baselineReport(baseline, null)}`, /secret/)
})

test('makeBaseline: one file a concern keeps it all, too', async () => {
  const proof = await prove(await make({ split: true }))

  assert.deepEqual(proof.differences, [])
})

test('makeBaseline: with additions it is kept, too', async () => {
  const baseline = await make({ tenant: true, rls: true, audit: true })

  const proof = await prove(baseline, { plain: await make() })

  assert.deepEqual(proof, { equal: true, idempotent: true, exact: true, rows: null, differences: [] })
})

test('makeBaseline: statements of a schema that was cut go with it, and are listed', async () => {
  const file = join(directory, 'two.sql')
  const sql = ['a', 'b'].flatMap((schema) => [
    `CREATE SCHEMA ${schema};`,
    `CREATE TEXT SEARCH CONFIGURATION ${schema}.german (PARSER = pg_catalog."default");`,
    `ALTER TEXT SEARCH CONFIGURATION ${schema}.german ADD MAPPING FOR word WITH pg_catalog.german_stem;`,
  ])
  writeFileSync(file, `${sql.join('\n')}\n`)

  const baseline = await makeBaseline(await readDump(file), { schemas: ['a'] })

  assert.deepEqual(baseline.cut, [{ object: 'statement at line 6', reason: 'names b.german' }])
  assert.deepEqual((await prove(baseline, { schemas: ['a'] })).differences, [])
})

test('makeBaseline: a schema that was cut takes nothing with it whose text alone mentions it', async () => {
  const file = join(directory, 'mentioned.sql')
  writeFileSync(
    file,
    `CREATE SCHEMA a;
CREATE SCHEMA b;
CREATE TABLE a.t (id integer);
SECURITY LABEL FOR anon ON TABLE a.t IS 'see b.x';
CREATE FUNCTION a.win(integer) RETURNS integer LANGUAGE sql WINDOW AS $$select id from b.x$$;
CREATE FUNCTION b.win(integer) RETURNS integer LANGUAGE sql WINDOW AS $$select id from a.t$$;
SET search_path = b, pg_catalog;
CREATE TABLE x (id integer);
SECURITY LABEL FOR anon ON TABLE x IS 'X';
`,
  )

  const { cut, files } = await makeBaseline(await readDump(file), { schemas: ['a'] })

  assert.deepEqual(cut, [
    { object: 'statement at line 6', reason: 'names function b.win(integer)' },
    { object: 'statement at line 9', reason: 'names b.x' },
  ])
  assert.match(files[0]?.text ?? '', /LANGUAGE sql WINDOW AS \$\$select id from b\.x/)
  assert.match(files[0]?.text ?? '', /SECURITY LABEL FOR anon ON TABLE a\.t IS 'see b\.x';/)
})

test("makeBaseline: rights on a server that is called like a schema are the server's", async () => {
  const baseline = await baselineOf(
    'CREATE SCHEMA srv;',
    'CREATE FOREIGN DATA WRAPPER w;',
    'CREATE SERVER srv FOREIGN DATA WRAPPER w;',
    'GRANT ALL ON FOREIGN SERVER srv TO beyond_reader;',
  )

  const proof = await prove(baseline)

  assert.deepEqual(baseline.kept, [])
  assert.match(baseline.files[0]?.text ?? '', /grant usage on foreign server srv to beyond_reader;/)
  assert.deepEqual(proof.differences, [])
})

test('makeBaseline: an export that sets its search path schema by schema means what it meant', async () => {
  const baseline = await baselineOf(
    'CREATE SCHEMA shop;',
    'CREATE SCHEMA store;',
    'SET search_path = shop, pg_catalog;',
    'CREATE FUNCTION diff(a numeric, b numeric) RETURNS double precision',
    '    LANGUAGE sql IMMUTABLE STRICT AS $$select (a - b)::float8$$;',
    'CREATE TYPE price_range AS RANGE (subtype = numeric, subtype_diff = diff);',
    'CREATE TABLE orders (id integer, price price_range);',
    'CREATE STATISTICS st ON id, price FROM orders;',
    'ALTER STATISTICS st SET STATISTICS 500;',
    'SET search_path = store, pg_catalog;',
    'CREATE TABLE shelves (id integer);',
    'SET search_path = shop, pg_catalog;',
    'GRANT SELECT ON TABLE orders TO beyond_reader;',
    'SET search_path = store, pg_catalog;',
    'GRANT SELECT ON TABLE shelves TO beyond_reader;',
  )

  const proof = await prove(baseline)

  assert.deepEqual(
    baseline.kept.map(({ reason }) => reason),
    ['type with subtype_diff', 'alter statistics'],
  )
  assert.deepEqual(proof.differences, [])
})

test('putAsWritten: a statement that could stand for nothing is no baseline', async () => {
  const { kept } = await make()

  assert.throws(() => putAsWritten([], kept), /nothing is printed that line \d+ of the export could stand for/)
})

test('proveBaseline: what the model does not hold and a baseline lost is found out', async () => {
  const baseline = await make()
  const lost: [pattern: RegExp, text: string, object: RegExp][] = [
    [/mapping for word with .*;/i, 'mapping for word with simple;', /^text search mapping deep\.german \(word: 1 /],
    [/ \(siglen='64'\)/, '', /^index key deep\.t_name \(1: siglen=64/],
    [/,\s+subtype_diff = deep\.diff/, '', /^range type deep\.price_range /],
    [/alter table deep\.t set access method heap2;/, '', /^storage deep\.t \(access method heap2/],
    [/grant usage on foreign server .*;/, '', /^foreign server srv /],
  ]
  let text = baseline.files[0]?.text ?? ''
  for (const [pattern, instead] of lost) {
    assert.match(text, pattern)
    text = text.replace(pattern, instead)
  }

  const { equal, differences } = await prove({ ...baseline, files: [{ name: 'V001', text, repeatable: true }] })

  assert.equal(equal, false)
  const missing = differences.flatMap(({ part, object, message }) =>
    part === 'equal' && message === 'missing' ? [object] : [],
  )
  for (const [, , object] of lost)
    assert.ok(
      missing.some((own) => object.test(own)),
      `${object}: ${missing.join('; ')}`,
    )
})

test('proveBaseline: options that a baseline changed are told by their names alone', async () => {
  const baseline = await baselineOf(
    'CREATE SCHEMA a;',
    'CREATE FOREIGN DATA WRAPPER w;',
    `CREATE SERVER srv FOREIGN DATA WRAPPER w OPTIONS (password 'hush-1');`,
    `CREATE FOREIGN TABLE a.remote (x integer OPTIONS (token 'hush-2')) SERVER srv OPTIONS (secret 'hush-3');`,
  )
  const text = baseline.files[0]?.text.replaceAll('hush-', 'loud-') ?? ''

  const { differences } = await prove({ ...baseline, files: [{ name: 'V001', text, repeatable: true }] })

  assert.deepEqual(
    differences.flatMap(({ part, object, message }) => (part === 'equal' ? [[object, message]] : [])),
    [
      ['other foreign server srv', 'it differs in option password, whose values are not shown'],
      ['other foreign table a.remote', 'it differs in option secret, option token of x, whose values are not shown'],
    ],
  )
})
