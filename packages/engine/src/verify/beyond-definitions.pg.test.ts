import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { readCatalogInside } from '../catalog/live.ts'
import { makeContext } from './context.ts'
import { defaultPolicy, type VerifyPolicy } from './policy.ts'
import { readFacts } from './read-facts.ts'
import { verifyRules } from './rules/index.ts'
import { runRules } from './run-rules.ts'

/** What a hospital's server can do to a schema without changing a definition; roles are made and rolled back with it. */
const SOUND = `
create role ver_app login;
create schema a;
create table a.wards (id int primary key);
create table a.beds (id int primary key, ward int references a.wards (id)) partition by range (id);
create table a.beds_1 partition of a.beds for values from (0) to (100);
create index beds_ward on a.beds (ward);
create function a.audit() returns trigger language plpgsql as 'begin return null; end';
create function a.guard() returns trigger language plpgsql as 'begin return new; end';
create table a.visits (id int primary key, status text) partition by range (id);
create table a.visits_1 partition of a.visits for values from (0) to (100);
create trigger trace after insert or update or delete on a.visits for each row execute function a.audit();
create trigger states before insert or update on a.visits for each row execute function a.guard('a.visits', 'status');
create table a.rules (machine text primary key);
insert into a.rules values ('a.visits');`

const policy: VerifyPolicy = {
  ...defaultPolicy,
  applicationRoles: ['ver_app'],
  contextSetting: 'ver.tenant',
  auditTriggers: {},
  auditFunctions: ['a.audit'],
  transitionFunction: 'a.guard',
  transitionTable: 'a.rules',
  rootTable: 'a.hospitals',
  isolationPolicy: 'own',
  tables: [
    { match: 'a.visits', class: 'phi', scope: 'global', retention: '10y' },
    { match: 'a.people', class: 'pii', retention: '10y' },
  ],
}

describe('verify: what no definition says', () => {
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

  async function messagesAfter(change: string): Promise<string[]> {
    const connection = await db.dedicated()
    try {
      await connection.script(`begin isolation level repeatable read; ${SOUND} ${change}`)
      const catalog = await readCatalogInside(connection)
      const context = makeContext(catalog, policy, await readFacts(connection, catalog, policy))
      return runRules(verifyRules, context).findings.map(({ rule, message }) => `${rule}: ${message}`)
    } finally {
      await connection.script('rollback')
      await connection.release()
    }
  }

  test('a sound database is told nothing', async () => {
    assert.deepEqual(await messagesAfter(''), [])
    assert.deepEqual(await messagesAfter('create role ver_web login in role ver_app'), [])
  })

  const cases: Record<string, readonly [change: string, messages: readonly string[]]> = {
    'a foreign key that is switched off': [
      'alter table a.beds_1 disable trigger all; alter table a.beds_1 enable trigger user',
      [
        'foreign-key-enforced: foreign key beds_ward_fkey of a.beds_1 is not enforced: its triggers on a.beds_1 are off',
      ],
    ],
    'a foreign key that is switched off where it points to': [
      'alter table a.wards disable trigger all; alter table a.wards enable trigger user',
      ['foreign-key-enforced: foreign key beds_ward_fkey of a.beds is not enforced: its triggers on a.wards are off'],
    ],
    'triggers that are switched off on a partition': [
      'alter table a.visits_1 disable trigger user',
      [
        'audit-coverage: audit trigger trace on partition a.visits_1 (class=phi) is switched off',
        'state-machine-trigger: no enabled trigger enforces the states of a.visits on insert in a.visits_1',
        'state-machine-trigger: no enabled trigger enforces the states of a.visits on update in a.visits_1',
      ],
    ],
    "people's rows that belong to no tenant": [
      `create table a.people (id int primary key, name text);
      create trigger trace after insert or update or delete on a.people for each row execute function a.audit();
      grant select on a.people to ver_app;
      grant select on a.visits to ver_app`,
      ['tenant-column: a.people (class=pii) is of scope global, and ver_app reads the rows of all tenants'],
    ],
    'that a login may not read the state machines': [
      'create role ver_monitor; set local role ver_monitor',
      ['state-machine-trigger: not checked: this login may not read a.rules, which names the state machines'],
    ],
    'a login in the application role that has BYPASSRLS': [
      'create role ver_web login bypassrls in role ver_app',
      ['application-roles: login ver_web, in an application role, has BYPASSRLS'],
    ],
    'a superuser behind two roles': [
      'create role ver_team in role ver_app; create role ver_web login superuser in role ver_team',
      ['application-roles: login ver_web, in an application role, is a superuser'],
    ],
    'a login of the application in a group that may make roles': [
      'create role ver_team createrole; create role ver_web login in role ver_app, ver_team',
      ['application-roles: ver_team, a role of login ver_web, has CREATEROLE'],
    ],
    'an application role with REPLICATION and CREATEDB': [
      'alter role ver_app replication createdb',
      [
        'application-roles: application role ver_app has CREATEDB',
        'application-roles: application role ver_app has REPLICATION',
      ],
    ],
    "an application role that reads others' statements": [
      'grant pg_monitor to ver_app',
      ['application-roles: an application role is a member of pg_monitor'],
    ],
    'settings that come with the login': [
      `create role ver_web login in role ver_app;
      alter role ver_app set session_replication_role = 'replica';
      alter role ver_web set ver.tenant = 'x';
      alter role ver_app set statement_timeout = '1s'`,
      [
        'role-settings: application role ver_app logs in with session_replication_role=replica',
        'role-settings: login ver_web, in an application role, logs in with ver.tenant=x',
      ],
    ],
    'settings of the database': [
      `do $$ begin execute format('alter database %I set ver.tenant = 7', current_database()); end $$`,
      ['role-settings: every role logs in with ver.tenant=7'],
    ],
    'a right to a setting': [
      'grant set on parameter session_replication_role to ver_app',
      ['role-settings: application role ver_app may set session_replication_role'],
    ],
    'a database that an application may create in': [
      `do $$ begin execute format('grant create on database %I to ver_app', current_database()); end $$`,
      [`application-roles: application role ver_app may create schemas in database $database`],
    ],
    "a database that is an application's own": [
      `do $$ begin execute format('alter database %I owner to ver_app', current_database()); end $$`,
      [`application-roles: database $database is owned by application role ver_app`],
    ],
  }
  for (const [what, [change, expected]] of Object.entries(cases)) {
    test(`finds ${what}`, async () => {
      const messages = await messagesAfter(change)

      const name = new URL(database.url).pathname.slice(1)
      assert.deepEqual(
        messages,
        expected.map((message) => message.replace('$database', name)),
      )
    })
  }
})
