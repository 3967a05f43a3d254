import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let superuser: Database

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
})
after(async () => {
  await superuser.close()
  await database.drop()
})

interface Case {
  readonly name: string
  /** z scores of the lot, newest first. */
  readonly own: readonly number[]
  /** Of all levels, newest first. Default: the lot's. */
  readonly all?: readonly number[]
  /** Of the other levels of the same run. */
  readonly run?: readonly number[]
  readonly breaks: readonly string[]
}

// Values on a limit do not exceed it.
const cases: readonly Case[] = [
  { name: 'nothing', own: [0.5, -0.3, 1.9], breaks: [] },
  { name: 'exactly two SD', own: [2, 2], breaks: [] },
  { name: 'one beyond two SD', own: [2.1, 0.4], breaks: ['1_2s'] },
  { name: 'one beyond three SD, below', own: [-3.2, 0], breaks: ['1_2s', '1_3s'] },
  { name: 'two in a row beyond two SD on one side', own: [2.3, 2.4], breaks: ['1_2s', '2_2s'] },
  { name: 'two in a row on opposite sides', own: [2.3, -2.4], breaks: ['1_2s'] },
  { name: 'two levels of a run beyond two SD on one side', own: [-2.1, 0], run: [-2.5], breaks: ['1_2s', '2_2s'] },
  { name: 'two levels of a run on opposite sides', own: [2.1, 0], run: [-2.2], breaks: ['1_2s', 'R_4s'] },
  { name: 'four in a row beyond one SD', own: [1.1, 1.2, 1.3, 1.4], breaks: ['4_1s'] },
  { name: 'three in a row beyond one SD', own: [1.1, 1.2, 1.3, 0.9], breaks: [] },
  { name: 'four over two levels', own: [-1.1, -1.4], all: [-1.1, -1.2, -1.4, -1.3], breaks: ['4_1s'] },
  { name: 'ten on one side', own: Array.from({ length: 10 }, () => 0.2), breaks: ['10_x'] },
  { name: 'nine on one side', own: Array.from({ length: 9 }, () => 0.2), breaks: [] },
  { name: 'ten with one on the mean', own: [...Array.from({ length: 9 }, () => -0.2), 0], breaks: [] },
  { name: 'ten over two levels', own: [0.1], all: Array.from({ length: 12 }, () => 0.1), breaks: ['10_x'] },
]

for (const { name, own, all = own, run = [], breaks } of cases) {
  test(`westgard: ${name} breaks ${breaks.join(', ') || 'no rule'}`, async () => {
    assert.deepEqual(await broken(own, all, run, ['1_2s', '1_3s', '2_2s', 'R_4s', '4_1s', '10_x']), breaks)
  })
}

test('westgard: a rule that the lot does not use is not reported', async () => {
  assert.deepEqual(await broken([3.5, 2.5], [3.5, 2.5], [], ['1_3s']), ['1_3s'])
})

async function broken(
  own: readonly number[],
  all: readonly number[],
  run: readonly number[],
  rules: readonly string[],
): Promise<unknown> {
  const [row] = await superuser.query<{ rules: unknown }>('select laboratory.westgard($1, $2, $3, $4) as rules', [
    own,
    all,
    run,
    rules,
  ])
  return row?.rules
}
