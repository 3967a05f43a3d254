import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ProjectNotFoundError } from '../errors.ts'
import { findProject } from './project.ts'

const base = realpathSync(mkdtempSync(join(tmpdir(), 'imhotep-project-')))
after(() => rmSync(base, { recursive: true }))

test('findProject: finds db/migration above the working directory', () => {
  mkdirSync(join(base, 'a/db/migration'), { recursive: true })
  mkdirSync(join(base, 'a/src/deep'), { recursive: true })

  const project = findProject(join(base, 'a/src/deep'))

  assert.equal(project.root, join(base, 'a'))
  assert.equal(project.migrations, join(base, 'a/db/migration'))
  assert.equal(project.state, join(base, 'a/.imhotep'))
})

test('findProject: takes the directory of migrations from imhotep.config.json', () => {
  mkdirSync(join(base, 'b'))
  writeFileSync(join(base, 'b/imhotep.config.json'), '{"migrations": "sql"}')

  const project = findProject(join(base, 'b'))

  assert.equal(project.migrations, join(base, 'b/sql'))
})

test('findProject: uses the modules that come with Imhotep where the project has none', () => {
  mkdirSync(join(base, 'c/db/migration'), { recursive: true })

  const project = findProject(join(base, 'c'))

  assert.ok(!project.modules.startsWith(base), project.modules)
})

test('findProject: says what to run where there is no project', () => {
  mkdirSync(join(base, 'empty'))

  assert.throws(
    () => findProject(join(base, 'empty')),
    (error: unknown) => error instanceof ProjectNotFoundError && /imhotep init/.test(error.hint ?? ''),
  )
})
