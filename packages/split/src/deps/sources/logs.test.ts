import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeenStatement } from '../statement-dependencies.ts'
import { fromGeneralLog, fromPostgresLog, fromSlowLog } from './logs.ts'

async function all(statements: AsyncIterable<SeenStatement>): Promise<string[]> {
  const found: string[] = []
  for await (const { text, evidence, lastSeen } of statements)
    found.push(`${evidence} ${lastSeen?.toISOString().slice(11, 19)} ${text}`)
  return found
}

test('fromGeneralLog: reads entries of several lines, of MariaDB and of MySQL, and what is prepared when it runs', async () => {
  const lines = [
    'mariadbd, Version: 10.11 started with:',
    'Time\t\t    Id Command\tArgument',
    '261126 10:00:00\t     5 Connect\tapp@host on shop',
    '\t\t     5 Query\tselect *',
    '  from a',
    '\t\t     5 Prepare\tselect ?',
    '261126 10:00:01\t     5 Execute\tselect 7',
    '2026-11-26T11:00:00.123456Z\t    6 Query\tselect 8',
    '\t\t     5 Quit\t',
  ]

  assert.deepEqual(await all(fromGeneralLog(lines, 'g.log')), [
    'g.log:4 10:00:00 select *\n  from a',
    'g.log:7 10:00:01 select 7',
    'g.log:8 11:00:00 select 8',
  ])
})

test('fromSlowLog: reads statements between their headers', async () => {
  const lines = [
    '# Time: 261126 10:00:00',
    '# User@Host: app[app] @ host []',
    '# Query_time: 1.5  Lock_time: 0.1',
    'use shop;',
    'SET timestamp=1795687200;',
    'select *',
    'from a;',
    '# User@Host: app[app] @ host []',
    'SET timestamp=1795687260;',
    'select 2;',
  ]

  assert.deepEqual(await all(fromSlowLog(lines, 's.log')), [
    's.log:6 10:00:00 select *\nfrom a;',
    's.log:10 10:01:00 select 2;',
  ])
})

test('fromPostgresLog: reads statements, whatever the prefix, and leaves the rest', async () => {
  const lines = [
    '2026-11-26 10:00:00.123 UTC [77] app@shop LOG:  statement: select *',
    '\tfrom a',
    '2026-11-26 10:00:01.000 UTC [77] LOG:  duration: 1.234 ms  execute s1: select $1',
    "2026-11-26 10:00:01.000 UTC [77] DETAIL:  parameters: $1 = 'secret'",
    '2026-11-26 10:00:02.000 UTC [77] ERROR:  relation "b" does not exist',
    '2026-11-26 10:00:02.000 UTC [77] STATEMENT:  select * from b',
    '2026-11-26 10:00:03.000 UTC [78] LOG:  checkpoint starting: time',
  ]

  assert.deepEqual(await all(fromPostgresLog(lines, 'p.log')), [
    'p.log:1 10:00:00 select *\nfrom a',
    'p.log:3 10:00:01 select $1',
  ])
})
