import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAllowList, readStatus, retire } from '@imhotep/split'
import { runCli } from '../support/run-cli.ts'
import { smallSplit } from '../support/small-split.ts'

test('readStatus: tells before, under way and after what is separated and what is left', async () => {
  await using here = await smallSplit()
  const { split, shared } = here

  const before = await readStatus(split)
  await here.move('lab', 'verified')
  const underWay = await readStatus(split)
  await here.move('lab', 'reversible')
  const reversible = await readStatus(split)
  await here.move('clinical', 'reversible')
  for (const name of ['lab', 'clinical']) await retire(await split.moveOf(name), await split.ledger.read(name))
  const retired = await readStatus(split)
  await shared.query('drop view patient_orders')
  const done = await readStatus(split)

  assert.equal(before.sharedTables, 3)
  assert.equal(before.crossingKeys, 1)
  assert.deepEqual(before.queriesAcross, { open: 1, allowed: 0, unknown: 0 })
  assert.equal(before.servicesWithOwnDatabase + before.isolatedServices + before.independentServices, 0)
  assert.equal(before.verifiedShare, 0)

  const [lab] = underWay.services.filter(({ service }) => service === 'lab')
  assert.equal(lab?.lag?.direction, 'forward')
  assert.equal(lab.lag.followed, false)
  assert.equal(typeof lab.lag.bytes, 'number')
  assert.equal(lab.verified?.rows, 602)
  assert.equal(underWay.crossingKeys, 0)
  assert.equal(underWay.sharedTables, 3)

  assert.equal(reversible.services.find(({ service }) => service === 'lab')?.lag?.direction, 'reverse')
  assert.equal(reversible.sharedTables, 1)
  assert.equal(reversible.independentServices, 1)

  assert.equal(retired.queriesAcross.open, 1)
  assert.deepEqual(
    [done.sharedTables, done.crossingKeys, done.queriesAcross.open, done.verifiedShare, done.independentServices],
    [0, 0, 0, 1, 2],
  )
})

test('imhotep split status: sees a user that enters elsewhere, migrations that were changed, what is allowed; as text and page', async () => {
  await using here = await smallSplit()
  const { split, shared } = here
  await here.move('lab', 'reversible')
  await here.move('clinical', 'provisioned')
  const [view] = (await readStatus(split)).dependencies.filter(({ open }) => open)
  await shared.query('grant connect on database hospital_clinical to hospital_lab_app')
  const file = join(split.migrationsOf('lab'), 'V001__tables.sql')
  writeFileSync(file, readFileSync(file, 'utf8').replace('create table', 'create  unlogged table'))
  const list = readAllowList(
    `allowed:\n  - id: ${view?.id}\n    what: the view of orders\n    issue: https://example.org/1\n    reason: a report\n`,
    'allow.yaml',
  )

  const status = await readStatus(split, list)

  const [lab] = status.services.filter(({ service }) => service === 'lab')
  assert.deepEqual(lab?.isolation, { canEnter: ['hospital_clinical'], isolated: false })
  assert.deepEqual(lab.deployment, { ownUser: true, migrations: 'unclean', independent: false })
  assert.deepEqual(status.queriesAcross, { open: 0, allowed: 1, unknown: 0 })

  const { directory: cwd } = here
  const args = ['split', 'status', '--source', here.sourceUrl, '--target', here.targetUrl, '--env', 'env']
  const text = await runCli([...args, '--html', 'status.html', '--watch'], {
    cwd,
    signal: { name: 'SIGINT', when: /until Ctrl-C/ },
  })
  const refused = await runCli([...args, '--json', '--watch'], { cwd })

  assert.equal(text.code, 0, text.stderr)
  assert.match(text.stdout, /tables still shared +1/)
  assert.match(readFileSync(join(cwd, 'status.html'), 'utf8'), /<svg [^>]*role="img"/)
  assert.match(refused.stdout, /--watch speaks to people/)
})
