import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSql } from './parse-sql.ts'
import { statementKind } from './statement-kind.ts'

test('statementKind: says in words what a statement does', async () => {
  const expected: Record<string, string> = {
    'create table a (b int)': 'create table',
    'create materialized view a as select 1': 'create materialized view',
    'create procedure p() language sql as $$ $$': 'create procedure',
    'alter table a add column c int': 'alter table',
    'alter table a rename to b': 'alter table',
    'alter table a rename column c to b': 'alter table',
    'alter index a set (fillfactor = 70)': 'alter index',
    'alter function f() owner to x': 'alter function',
    'drop index a': 'drop index',
    'grant select on a to b': 'grant',
    'revoke a from b': 'revoke',
    'create aggregate a.g(int) (sfunc = f, stype = int)': 'create aggregate',
    begin: 'begin',
    'create event trigger e on ddl_command_end execute function f()': 'create event trigger',
    'reset all': 'set',
  }

  const { statements } = await parseSql(Object.keys(expected).join(';\n'), 'x.sql')

  assert.deepEqual(statements.map(statementKind), Object.values(expected))
})
