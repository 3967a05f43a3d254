import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyCatalog } from '../catalog/model.ts'
import { attributeDifferences } from './attribute.ts'

const extra = (object: string) => ({ object, kind: 'extra' as const, property: null, left: null, right: object })
const addition = (object: string) => ({ rule: 'tenant-column', object, sql: ';' })

test('attributeDifferences: a difference that no addition explains is left over', () => {
  const additions = [addition('column a.b.tenant_id')]

  const left = attributeDifferences({ additions, catalog: emptyCatalog() }, [
    extra('column a.b.tenant_id'),
    extra('column a.b.other'),
  ])

  assert.deepEqual(left, [{ object: 'column a.b.other', message: 'extra, and no addition says so' }])
})

test('attributeDifferences: an addition that makes no difference is named', () => {
  const additions = [addition('column a.b.tenant_id'), addition('role x')]

  const left = attributeDifferences({ additions, catalog: emptyCatalog() }, [])

  assert.deepEqual(left, [{ object: 'column a.b.tenant_id', message: 'is listed and makes no difference' }])
})

test('attributeDifferences: the index of a key is explained by the key', () => {
  const additions = [addition('constraint b_pkey on a.b')]

  const left = attributeDifferences({ additions, catalog: emptyCatalog() }, [extra('index b_pkey on a.b')])

  assert.deepEqual(left, [])
})
