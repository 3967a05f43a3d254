import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Options, type Context } from '../context.ts'
import { mapFile } from './files.ts'

test('mapFile: a path is taken from the working directory, and a whole one as it is', () => {
  const fileOf = (map?: string) =>
    mapFile({ cwd: '/project', options: new Options(map === undefined ? {} : { map }) } as Context)

  assert.equal(fileOf(), '/project/owners.yaml')
  assert.equal(fileOf('maps/a.yaml'), '/project/maps/a.yaml')
  assert.equal(fileOf('/tmp/a.yaml'), '/tmp/a.yaml')
})
