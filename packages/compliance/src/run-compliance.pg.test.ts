import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { demoDatabase, hospitalDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { ruleFamilies } from './rules/index.ts'
import { isCompliant, runCompliance, runComplianceInside, type ComplianceReport } from './run-compliance.ts'

let database: TestDatabase
let db: Database
let report: ComplianceReport

before(async () => {
  database = await demoDatabase()
  db = connect(database.url)
  report = await runCompliance(db)
})
after(async () => {
  await db.close()
  await database.drop()
})

const rules = ruleFamilies.flatMap((family) => family.rules)

test('runCompliance: answers every rule of every family, in their order, each with its evidence', () => {
  assert.deepEqual(
    report.results.map(({ id }) => id),
    rules.map(({ id }) => id),
  )
  for (const { id, evidence } of report.results) assert.ok(evidence.length > 0, id)
})

test('runCompliance: every check can run on the demo hospital', () => {
  const stuck = report.results.filter(({ evidence }) => evidence.startsWith('the check could not run'))

  assert.deepEqual(stuck, [])
})

test('runCompliance: counts the verdicts of each family', () => {
  for (const { name, rules: own } of ruleFamilies) {
    const counts = Object.values(report.counts[name] ?? {})
    assert.equal(
      counts.reduce((sum, n) => sum + n, 0),
      own.length,
    )
  }
})

test('runCompliance: ids and rules are unique, a rule is a clause without a full stop', () => {
  assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length)
  assert.equal(new Set(rules.map(({ rule }) => rule)).size, rules.length)
  for (const { rule } of rules) assert.doesNotMatch(rule, /\.$/)
})

test('runCompliance: only chosen families, told as it goes', async () => {
  await using empty = await hospitalDatabase()
  const target = connect(empty.url)
  const told: string[] = []

  const some = await runCompliance(target, { families: ['hipaa'], onProgress: (text) => told.push(text) })

  await target.close()
  assert.deepEqual(Object.keys(some.counts), ['hipaa'])
  assert.equal(told.length, some.results.length)
  assert.ok(told[0]?.startsWith('HIP-01 '))
})

test('runCompliance: only chosen rules of a family', async () => {
  const some = await runCompliance(db, { families: ['hipaa'], rules: ['HIP-04', 'HIP-20', 'COR-01'] })

  assert.deepEqual(
    some.results.map(({ id, verdict }) => `${id} ${verdict}`),
    ['HIP-04 pass', 'HIP-20 pass'],
  )
})

test('runCompliance: a rule whose objects are gone fails, and the others are answered', async () => {
  await db.transaction(async (tx) => {
    await tx.query('savepoint whole')
    await tx.query('drop table auth.mfa_factors cascade')

    const broken = await runComplianceInside(tx, { families: ['hipaa'] })

    assert.equal(isCompliant(broken), false)
    assert.match(broken.results.find(({ id }) => id === 'HIP-12')?.evidence ?? '', /^the check could not run: /)
    assert.equal(broken.results.length, ruleFamilies.find(({ name }) => name === 'hipaa')?.rules.length)
    assert.notEqual(broken.fingerprint, report.fingerprint)
    await tx.query('rollback to savepoint whole')
  })
})

test('runCompliance: the same schema has the same fingerprint, and the run leaves no trace', async () => {
  const again = await runCompliance(db, { families: [] })

  assert.equal(again.fingerprint, report.fingerprint)
  assert.deepEqual(again.results, [])
  assert.equal(isCompliant(again), true)
})
