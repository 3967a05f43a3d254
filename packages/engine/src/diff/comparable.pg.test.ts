import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { testVersion } from '../../../../tests/support/server.ts'
import { readCatalogInside } from '../catalog/live.ts'
import type { Catalog } from '../catalog/model.ts'
import { makeComparable } from './comparable.ts'
import { diffCatalogs } from './diff-catalogs.ts'
import { forgetRunner } from './forget-runner.ts'
import { readLive } from './scratch.ts'

/** `drift_app` has no grant of its own, as `imhotep_app` has none. */
const HISTORY = `
create role drift_wards;
create role drift_app login in role drift_wards;
create role drift_owner;
grant drift_wards to drift_owner with admin option;
create role drift_beds;
grant drift_beds to drift_owner with admin option;
create role drift_chief;
grant drift_wards to drift_chief with admin option;
set role drift_chief;
grant drift_wards to drift_owner with admin option;
reset role;
create schema a;
create table a.history (version text primary key);
create table a.wards (id int primary key);
create table a.beds (id int primary key, ward int references a.wards (id)) partition by range (id);
create table a.beds_1 partition of a.beds for values from (0) to (100);
create table a.given (id int primary key);
alter table a.given owner to drift_owner;
grant select on a.wards to drift_wards, drift_beds;
create foreign data wrapper drift_wrapper;
create server drift_far foreign data wrapper drift_wrapper options (host 'north', password 'hush-1');
create user mapping for drift_app server drift_far options (user 'ward', password 'hush-2');
create text search dictionary a.words (template = pg_catalog.simple);
create text search configuration a.search (copy = pg_catalog.english);
create collation a.words from "C";
create operator a.<<< (function = pg_catalog.int4lt, leftarg = int, rightarg = int);
create operator a.>>> (function = pg_catalog.int4gt, leftarg = int, rightarg = int);
create operator family a.numbers using btree;
create operator class a.number for type int using btree family a.numbers as operator 1 <, operator 3 =, function 1 pg_catalog.btint4cmp(int, int);
create foreign table a.remote (x int) server drift_far;
create conversion a.latin for 'LATIN1' to 'UTF8' from pg_catalog.iso8859_1_to_utf8;
create trusted language talk handler pg_catalog.plpgsql_call_handler;
create access method drift_heap type table handler pg_catalog.heap_tableam_handler;
create type a.raw;
create function a.raw_in(cstring) returns a.raw language internal immutable strict as 'textin';
create function a.raw_out(a.raw) returns cstring language internal immutable strict as 'textout';
create type a.raw (input = a.raw_in, output = a.raw_out, like = text);
create cast (a.raw as text) without function;`

describe('makeComparable: what is done by hand behind the definitions', () => {
  let database: TestDatabase
  let db: Database

  before(async () => {
    database = await emptyDatabase()
    db = connect(database.url)
  })

  after(async () => {
    await db.close()
    await database.drop()
  })

  async function catalogAfter(...scripts: string[]): Promise<Catalog> {
    const connection = await db.dedicated()
    try {
      await connection.script('begin isolation level repeatable read')
      for (const script of scripts) await connection.script(script)
      return await readCatalogInside(connection)
    } finally {
      await connection.script('rollback')
      await connection.release()
    }
  }

  async function drift(change: string): Promise<string[]> {
    const history = forgetRunner(await catalogAfter(HISTORY))
    const live = await catalogAfter(HISTORY, change)
    makeComparable(history, live, 'a.history')
    return (await diffCatalogs(history, live, { concurrently: false })).map(({ sql }) => sql)
  }

  const cases: Record<string, readonly [change: string, statements: readonly string[]]> = {
    nothing: ['', []],
    'BYPASSRLS of a role without a grant of its own': [
      'alter role drift_app bypassrls',
      ['alter role drift_app bypassrls inherit nosuperuser'],
    ],
    'SUPERUSER of that role': [
      'alter role drift_app superuser',
      ['alter role drift_app superuser inherit nobypassrls'],
    ],
    'a group of that role': ['grant pg_read_all_data to drift_app', ['grant pg_read_all_data to drift_app']],
    'a new group of a role': [
      'create role drift_new; grant select on a.beds to drift_new; grant drift_new to drift_wards',
      ['create role', 'grant drift_new to drift_wards', 'grant select on a.beds to drift_new'],
    ],
    'a group without a right of its own that has one behind it': [
      'create role drift_new bypassrls; create role drift_between in role drift_new; grant drift_between to drift_app',
      ['create role', 'grant drift_new to drift_between', 'create role', 'grant drift_between to drift_app'],
    ],
    'a group of another database is none of this one': [
      'create role drift_elsewhere in role drift_wards; grant drift_elsewhere to drift_app',
      [],
    ],
    "a hospital's own login is none of the schema's": ['create role drift_web login in role drift_app', []],
    'an owner that no file gives': [
      'create role drift_other; alter table a.wards owner to drift_other',
      ['create role', 'alter table a.wards owner to drift_other'],
    ],
    'another runner of the migrations is no difference': [
      `create role drift_runner;
      alter table a.history owner to drift_runner;
      alter schema a owner to drift_runner;
      alter table a.wards owner to drift_runner;
      alter table a.beds owner to drift_runner;
      alter table a.beds_1 owner to drift_runner`,
      [],
    ],
    'ADMIN of a membership': [
      'grant drift_wards to drift_app with admin option',
      ['grant drift_wards to drift_app with admin option'],
    ],
    'ADMIN that is taken back': [
      'revoke admin option for drift_beds from drift_owner',
      ['revoke admin option for drift_beds from drift_owner'],
    ],
    'options of a new membership': [
      'create role drift_new; grant drift_wards to drift_new with admin option; grant select on a.beds to drift_new',
      ['create role', 'grant drift_wards to drift_new with admin option', 'grant select on a.beds to drift_new'],
    ],
    'options of a foreign server, none with its value': [
      `alter server drift_far version '2' options (set host 'south', set password 'hush-3', add port '1')`,
      [
        '-- other foreign server drift_far: it differs in option host, option password, option port, version, whose values are not shown',
      ],
    ],
    'options of a user mapping, none with its value': [
      `alter user mapping for drift_app server drift_far options (set password 'hush-3', drop user)`,
      [
        '-- other user mapping drift_app on drift_far: it differs in option password, option user, whose values are not shown',
      ],
    ],
    'mappings of a text search configuration, and of what its dictionary is made': [
      `alter text search configuration a.search alter mapping for word with a.words;
      alter text search configuration a.search drop mapping for email;
      alter text search dictionary a.words (accept = false)`,
      [
        '-- other text search dictionary a.words: it differs in options, whose values are not shown',
        '-- other text search configuration a.search: it differs in mapping of email, mapping of word, whose values are not shown',
      ],
    ],
    'another collation, and a new one': [
      `drop collation a.words; create collation a.words from "POSIX";
      create collation a.names (provider = icu, locale = 'de-DE', deterministic = false)`,
      [
        'create collation',
        `-- other collation a.words: it is another one, and is made again with what is sorted by it: create collation a.words (provider = libc, lc_collate = 'POSIX', lc_ctype = 'POSIX')`,
      ],
    ],
    'a collation that is dropped': ['drop collation a.words', ['drop collation a.words']],
    'function, partners and selectivity of an operator': [
      `drop operator a.<<< (int, int);
      create operator a.<<< (function = pg_catalog.int4le, leftarg = int, rightarg = int, commutator = operator(a.>>>), restrict = scalarltsel, hashes)`,
      [
        '-- other operator a.<<<(integer, integer): it differs in commutator, function, hashes, restrict, whose values are not shown',
        '-- other operator a.>>>(integer, integer): it differs in commutator, whose values are not shown',
      ],
    ],
    'members of an operator family': [
      'alter operator family a.numbers using btree add operator 1 < (int, bigint), function 1 pg_catalog.btint48cmp(int, bigint)',
      [
        '-- other operator family a.numbers using btree: it differs in function 1 of integer and bigint, operator 1 of integer and bigint, whose values are not shown',
      ],
    ],
    'an operator class with another family': [
      `drop operator class a.number using btree;
      create operator class a.number for type int using btree as operator 1 <, operator 3 =, function 1 pg_catalog.btint4cmp(int, int)`,
      [
        '-- other operator family a.number using btree: it is missing, and PostgreSQL does not print its definition',
        '-- other operator family a.numbers using btree: it differs in function 1 of integer and integer, operator 1 of integer and integer, operator 3 of integer and integer, whose values are not shown',
        '-- other operator class a.number using btree: it differs in family, whose values are not shown',
      ],
    ],
    'a conversion of something else': [
      `drop conversion a.latin; create default conversion a.latin for 'LATIN2' to 'UTF8' from pg_catalog.iso8859_to_utf8`,
      ['-- other conversion a.latin: it differs in default, from, function, whose values are not shown'],
    ],
    'a language that only superusers may use': [
      `drop language talk; create language talk handler pg_catalog.plpgsql_call_handler validator pg_catalog.plpgsql_validator`,
      ['-- other language talk: it differs in trusted, validator, whose values are not shown'],
    ],
    'how a base type is stored, and a cast of it': [
      `alter type a.raw set (storage = main); drop cast (a.raw as text); create cast (a.raw as text) without function as implicit`,
      [
        'drop cast (a.raw as text)',
        'create cast',
        '-- other base type a.raw: it differs in storage, whose values are not shown',
      ],
    ],
    'rights on what is kept whole': [
      `grant usage on foreign data wrapper drift_wrapper to drift_app with grant option;
      grant usage on foreign server drift_far to drift_app;
      grant select, update (x) on a.remote to drift_app;
      revoke usage on language talk from public;
      grant usage on type a.raw to drift_app`,
      [
        'revoke usage on language talk from public',
        'grant usage on foreign data wrapper drift_wrapper to drift_app with grant option',
        'grant usage on foreign server drift_far to drift_app',
        'grant select, update (x) on a.remote to drift_app',
        'grant usage on type a.raw to drift_app',
      ],
    ],
    'rights on what is not there are no statements': [
      `create server drift_near foreign data wrapper drift_wrapper; grant usage on foreign server drift_near to drift_app`,
      ['-- other foreign server drift_near: it is missing, and PostgreSQL does not print its definition'],
    ],
    'a comment on what cannot be printed': [
      `comment on server drift_far is 'far'; comment on text search dictionary a.words is 'words'`,
      [`comment on text search dictionary a.words is 'words'`, `comment on server drift_far is 'far'`],
    ],
    'what cannot be printed is dropped, what needs it first': [
      `drop server drift_far cascade; drop foreign data wrapper drift_wrapper;
      drop text search configuration a.search; drop text search dictionary a.words`,
      [
        'drop foreign table a.remote',
        'drop user mapping for drift_app server drift_far',
        'drop server drift_far',
        'drop foreign data wrapper drift_wrapper',
        'drop text search configuration a.search',
        'drop text search dictionary a.words',
      ],
    ],
    'a foreign key that is switched off': [
      'alter table a.wards disable trigger all; alter table a.wards enable trigger user',
      [
        '-- constraint beds_ward_fkey on a.beds: nobody enforces it, its triggers are switched off: alter table a.wards enable trigger all',
      ],
    ],
    'one of a partition': [
      'alter table a.beds_1 disable trigger all',
      [
        '-- constraint beds_ward_fkey on a.beds_1: nobody enforces it, its triggers are switched off: alter table a.beds_1 enable trigger all',
      ],
    ],
  }
  const sinceVersion16: typeof cases = {
    'ADMIN that was given by two': [
      'revoke admin option for drift_wards from drift_owner; revoke admin option for drift_wards from drift_owner granted by drift_chief',
      [
        'revoke admin option for drift_wards from drift_owner',
        'revoke admin option for drift_wards from drift_owner granted by drift_chief',
      ],
    ],
    'a group that somebody else had given too': [
      'revoke drift_wards from drift_owner; revoke drift_wards from drift_owner granted by drift_chief',
      ['revoke drift_wards from drift_owner', 'revoke drift_wards from drift_owner granted by drift_chief'],
    ],
    'INHERIT and SET of a membership': [
      'grant drift_wards to drift_app with inherit false, set false',
      ['grant drift_wards to drift_app with inherit false, set false'],
    ],
    'INHERIT of a new membership': [
      'grant drift_owner to drift_app with inherit false',
      ['grant drift_owner to drift_app with admin false, inherit false, set true'],
    ],
  }
  for (const [what, [change, expected]] of Object.entries({ ...cases, ...sinceVersion16 })) {
    const skip = what in sinceVersion16 && testVersion() < 16
    test(what, { skip }, async () => {
      const statements = await drift(change)

      assert.deepEqual(
        statements.map((sql) => (sql.startsWith('do ') ? (/create (role|cast|collation)/.exec(sql)?.[0] ?? sql) : sql)),
        expected,
      )
    })
  }
})

test('readLive: an extension has a version where it is not the one that the server gives by itself', async (t) => {
  const database = await emptyDatabase()
  t.after(() => database.drop())
  const db = connect(database.url)
  t.after(() => db.close())
  await db.query(`create extension pg_trgm version '1.5'`)
  const pinned = await readLive(database.url)
  await db.query('alter extension pg_trgm update')

  const given = await readLive(database.url)

  const versions = [pinned, given].map(({ extensions }) => extensions.get('pg_trgm')?.version)
  assert.deepEqual(versions, ['1.5', null])
})
