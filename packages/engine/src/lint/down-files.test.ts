import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexHistory } from './history/history-index.ts'
import { readFiles } from './read-files.ts'
import type { LintedFile } from './rule.ts'
import { downDoesNotReverse } from './rules/down-does-not-reverse/down-does-not-reverse.ts'
import { defaultPolicy } from '../verify/policy.ts'
import { emptyCatalog } from '../catalog/model.ts'

/** What the rule finds, and how often it read each file's statements. */
async function judge(texts: readonly (readonly [path: string, text: string])[], since?: string) {
  const files = await readFiles(
    texts.map(([path, text]) => ({ path, text })),
    { rules: [], ...(since === undefined ? {} : { since }) },
  )
  const reads = new Map<string, number>()
  const counted = files.map((file): LintedFile => {
    const { statements } = file
    return {
      ...file,
      get statements() {
        reads.set(file.file, (reads.get(file.file) ?? 0) + 1)
        return statements
      },
    }
  })
  const history = indexHistory(counted, true)
  reads.clear()
  const moment = { catalog: emptyCatalog(), history, serverVersion: 18, policy: defaultPolicy, isNew: () => false }
  const found = [...(downDoesNotReverse.checkHistory?.(moment) ?? [])].map(({ position, message }) => ({
    file: position?.file,
    message,
  }))
  return { found, reads }
}

function goose(n: number, down: string): [string, string] {
  const name = String(n).padStart(3, '0')
  return [`${name}_t.sql`, `-- +goose Up\ncreate table t${n} (id int);\n-- +goose Down\n${down}\n`]
}

test('down-does-not-reverse: a history of downs that do nothing is folded once, not once a down', async () => {
  const { found, reads } = await judge(Array.from({ length: 40 }, (_, n) => goose(n + 1, n % 2 ? '' : 'select 1;')))

  assert.equal(found.length, 40)
  assert.ok((reads.get('001_t.sql') ?? 0) < 10, `the first file was read ${reads.get('001_t.sql')} times`)
})

test('down-does-not-reverse: behind a down that leaves something else the next one is still judged by itself', async () => {
  const { found, reads } = await judge([
    goose(1, 'drop table t1;'),
    goose(2, 'drop table t2; create table left_over (id int);'),
    goose(3, 'drop table t3;'),
    goose(4, 'drop table t4; alter table t1 add column x int;'),
    goose(5, 'drop table t5;'),
  ])

  assert.deepEqual(
    found.map(({ file, message }) => `${file}: ${message.split('this file ')[1]}`),
    ['002_t.sql: table public.left_over is left over', '004_t.sql: column public.t1.x is left over'],
  )
  assert.ok((reads.get('001_t.sql') ?? 0) < 7, `the first file was read ${reads.get('001_t.sql')} times`)
})

test('down-does-not-reverse: downs of applied versions are not looked at', async () => {
  const { found, reads } = await judge([goose(1, ''), goose(2, ''), goose(3, '')], '3')

  assert.deepEqual([found, [...reads.values()]], [[], []])
})
