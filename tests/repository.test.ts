import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { commands } from '../packages/cli/src/commands/index.ts'
import { commandsPage } from '../tools/docs/commands-page.ts'
import { errorsPage } from '../tools/docs/errors-page.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8')

function folders(path: string): string[] {
  return readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}

/** Files below a folder, with `/`, without build results. */
function files(path: string): string[] {
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .map((file) => `${path}/${file.split(sep).join('/')}`)
    .filter((file) => !/(^|\/)(node_modules|dist|\.imhotep)\//.test(file) && statSync(join(root, file)).isFile())
}

const sources = files('packages').filter(
  (file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'),
)
const modules = folders('schema')
const decisions = existsSync(join(root, 'docs/decisions')) ? readdirSync(join(root, 'docs/decisions')) : []

test('repository: there are modules, sources, commands and decisions to look at', () => {
  for (const list of [modules, sources, commands, decisions]) assert.ok(list.length >= 5)
})

for (const module of modules) {
  test(`schema/${module}: has module.json, README.md, a 000 and a 400 file`, () => {
    const names = readdirSync(join(root, 'schema', module))

    assert.ok(names.includes('module.json'), 'module.json is missing')
    assert.ok(names.includes('README.md'), 'README.md is missing')
    assert.ok(
      names.some((name) => /^000-.*\.sql$/.test(name)),
      'a file 000-*.sql with the schema is missing',
    )
    assert.ok(
      names.some((name) => /^400-.*\.sql$/.test(name)),
      'a file 400-*.sql with owner and grants is missing',
    )
  })
}

test('docs/reference/errors.md: has a line for every error code in the sources', () => {
  const page = read('docs/reference/errors.md')
  const codes = new Set(sources.flatMap((file) => read(file).match(/(?<=')IMH_[A-Z0-9_]+(?=')/g) ?? []))

  const missing = [...codes].filter((code) => !page.includes(`\`${code}\``))

  assert.ok(codes.size > 20, `found ${codes.size} codes only`)
  assert.deepEqual(missing, [])
})

test('docs/reference/errors.md: has a line for every failure code that the SQL raises or returns', () => {
  const page = read('docs/reference/errors.md')
  const sql = files('schema').filter((file) => /\/\d{3}-.*\.sql$/.test(file) && !file.includes('/seed/'))
  const codes = new Set(sql.flatMap((file) => read(file).match(/(?<=')IM[0-9]{3}(?=')/g) ?? []))

  const missing = [...codes].filter((code) => !page.includes(`\`${code}\``))

  assert.ok(codes.size > 20, `found ${codes.size} codes only`)
  assert.deepEqual(missing, [])
})

test('docs/reference: the written pages are what the code says (npm run docs)', () => {
  assert.ok(read('docs/reference/errors.md') === errorsPage(root), 'errors.md is stale: npm run docs')
  assert.ok(read('docs/reference/commands.md') === commandsPage(), 'commands.md is stale: npm run docs')
})

test('commands: each is a file of its own with a section in docs/reference/commands.md', () => {
  const page = read('docs/reference/commands.md')
  const names = readdirSync(join(root, 'packages/cli/src/commands')).filter((name) => name !== 'index.ts')

  assert.deepEqual(names.toSorted(), commands.map(({ name }) => `${name}.ts`).toSorted())
  for (const { name } of commands) assert.ok(page.includes(`\n## imhotep ${name}\n`), `no section for ${name}`)
})

for (const decision of decisions) {
  test(`docs/decisions/${decision}: has a number, a title, a status and less than 40 lines`, () => {
    const text = read('docs/decisions', decision)

    assert.match(decision, /^\d{4}-[a-z0-9-]+\.md$/)
    assert.match(text, new RegExp(`^# ${decision.slice(0, 4)}: \\S`))
    assert.match(text, /^Status: (accepted|superseded by \d{4})$/m)
    assert.ok(text.split('\n').length <= 40, 'too long: say it shorter')
  })
}

test('docs: every relative link leads to a file', () => {
  const pages = [...files('docs'), 'README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].filter((file) =>
    file.endsWith('.md'),
  )

  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .filter(([, target = '']) => !existsSync(join(root, dirname(page), target)))
      .map(([, target]) => `${page}: ${target}`),
  )

  assert.deepEqual(broken, [])
})

test('ARCHITECTURE.md: names every package', () => {
  const text = read('ARCHITECTURE.md')

  for (const room of folders('packages'))
    assert.ok(text.includes(`${room}/`), `packages/${room} is not in ARCHITECTURE.md`)
})
