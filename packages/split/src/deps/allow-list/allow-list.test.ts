import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dependency, Findings } from '../dependency.ts'
import { readAllowList, shrinkAllowList, startAllowList } from './allow-list-file.ts'
import { assertOnlyShrinks, judge } from './allow-list.ts'
import { AllowListError, AllowListGrowthError } from './errors.ts'

const plan = { issue: 'https://issues.example/7', reason: 'moves in spring' }

test('startAllowList: allows what is open today; nothing is refused and nothing is stale', () => {
  const findings = findingsOf('a', 'b')

  const verdict = judge(findings, readAllowList(startAllowList(findings, plan), 'allow.yaml'))

  assert.deepEqual([verdict.refused, verdict.refusedUnknown, verdict.refusedLoopCalls, verdict.stale], [[], [], [], []])
  assert.deepEqual(
    verdict.allowed.map(({ id }) => id),
    ['id-a', 'id-b', 'id-unknown', 'id-loop'],
  )
})

test('judge: refuses what is new, and tells what is gone; what a copy settles needs no entry', () => {
  const list = readAllowList(startAllowList(findingsOf('a', 'b'), plan), 'allow.yaml')
  const settled = { ...dependency('d'), settled: true }

  const verdict = judge({ ...findingsOf('b', 'c'), dependencies: [dependency('b'), dependency('c'), settled] }, list)

  assert.deepEqual(
    [verdict.refused, verdict.allowed, verdict.stale].map((part) => part.map(({ id }) => id)),
    [['id-c'], ['id-b', 'id-unknown', 'id-loop'], ['id-a']],
  )
})

test('shrinkAllowList: removes what is gone, keeps comments, and never adds', () => {
  const text = startAllowList(findingsOf('a', 'b'), plan).replace(
    '  - id: id-b',
    '  # asked the team of billing\n  - id: id-b',
  )

  const shrunk = shrinkAllowList(text, findingsOf('b', 'c'))

  assert.match(shrunk, /asked the team of billing/)
  assert.deepEqual(
    readAllowList(shrunk, 'allow.yaml').entries.map(({ id }) => id),
    ['id-b', 'id-unknown', 'id-loop'],
  )
  assert.equal(shrinkAllowList(shrunk, findingsOf('b')), shrunk)
})

test('assertOnlyShrinks: accepts less, refuses more', () => {
  const listOf = (...names: string[]) => readAllowList(startAllowList(findingsOf(...names), plan), 'allow.yaml')

  assertOnlyShrinks(listOf('a', 'b'), listOf('b'))

  assert.throws(
    () => assertOnlyShrinks(listOf('a', 'b'), listOf('b', 'c')),
    (error) => error instanceof AllowListGrowthError && error.added[0] === 'id-c (view shop.c -> billing: shop.bills)',
  )
})

test('readAllowList: an entry without an issue or a reason is no entry', () => {
  const text = `allowed:\n  - { id: x, what: y, issue: '', reason: z }\n  - { id: x, what: y, issue: i }\n`

  assert.throws(
    () => readAllowList(text, 'a.yaml'),
    (error) =>
      error instanceof AllowListError &&
      error.message ===
        `a.yaml:2: an entry lacks 'issue'\na.yaml:3: an entry lacks 'reason'\na.yaml:3: x stands there twice`,
  )
})

function findingsOf(...names: string[]): Findings {
  const unknown = {
    id: 'id-unknown',
    kind: 'statement',
    object: 's',
    evidence: [],
    count: 1,
    lastSeen: null,
    reason: 'cut',
  } as const
  return {
    dependencies: names.map(dependency),
    unknown: [unknown],
    loopCalls: [{ ...unknown, id: 'id-loop', kind: 'call in a loop' }],
    looked: {},
  }
}

function dependency(name: string): Dependency {
  return {
    id: `id-${name}`,
    kind: 'view',
    from: { service: 'lab', object: `shop.${name}` },
    to: { service: 'billing', table: { schema: 'shop', name: 'bills' } },
    writes: false,
    evidence: [],
    count: 1,
    lastSeen: null,
    wayOut: 'batch call',
    reason: '',
    settled: false,
  }
}
