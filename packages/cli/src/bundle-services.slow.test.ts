import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCli } from '../../../tests/support/run-cli.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'imhotep-services-')))
after(() => rmSync(root, { recursive: true }))

function writeModule(name: string, service: string, requires: string[], sql: string): void {
  const directory = join(root, 'schema', name)
  mkdirSync(directory, { recursive: true })
  writeFileSync(
    join(directory, 'module.json'),
    JSON.stringify({ schema: name, service, requires, purpose: `The ${name}.` }),
  )
  writeFileSync(join(directory, '100-all.sql'), sql)
}

mkdirSync(join(root, 'db/migration'), { recursive: true })
writeModule('core', 'kernel', [], 'create schema core;')
writeModule('shop', 'shop', ['core'], 'create schema shop; create table shop.goods (tenant_id uuid, id uuid);')

const bundle = async (...args: string[]) => {
  const { code, stdout } = await runCli(['bundle', '--topology', 'services', '--json', ...args], { cwd: root })
  return { code, answer: JSON.parse(stdout) }
}

test('imhotep bundle --topology services: writes a script and a list for each service, and finds them fresh', async () => {
  const written = await bundle()
  const checked = await bundle('--check')

  assert.equal(written.code, 0)
  assert.deepEqual(
    written.answer.services[0].files.map(({ file, state }: { file: string; state: string }) => [file, state]),
    [
      ['db/services/shop/V001__shop_schema.sql', 'written'],
      ['db/services/shop/LEFT-OUT.md', 'written'],
    ],
  )
  assert.deepEqual(written.answer.withoutDatabase, ['main orchestrator'])
  assert.match(
    readFileSync(join(root, 'db/services/shop/V001__shop_schema.sql'), 'utf8'),
    /create table if not exists shop\.goods/,
  )
  assert.equal(checked.code, 0)
})

test('imhotep bundle --topology services --check: a changed file and a folder of no service are exit code 1', async () => {
  await bundle()
  writeFileSync(join(root, 'db/services/shop/LEFT-OUT.md'), 'mine')
  mkdirSync(join(root, 'db/services/gone'))

  const { code, answer } = await bundle('--check')

  assert.equal(code, 1)
  assert.equal(answer.services[0].files[1].state, 'stale')
  assert.deepEqual(answer.strangers, ['db/services/gone'])
  rmSync(join(root, 'db/services/gone'), { recursive: true })
})

test('imhotep bundle --topology services: takes no choice of modules', async () => {
  const { code, stderr } = await runCli(['bundle', '--topology', 'services', '--modules', 'shop'], { cwd: root })

  assert.equal(code, 2)
  assert.match(stderr, /exclude each other/)
})
