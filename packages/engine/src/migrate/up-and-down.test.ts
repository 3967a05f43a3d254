import assert from 'node:assert/strict'
import { test } from 'node:test'
import { upAndDown } from './up-and-down.ts'

const trimmed = ({ up, down }: { up: string; down: string | null }) => [up.trim(), down?.trim() ?? null]

test('upAndDown: goose, sql-migrate, dbmate and node-pg-migrate', () => {
  const pairs = [
    ['-- +goose Up', '-- +goose Down'],
    ['-- +goose up', '-- +goose down'],
    ['-- +migrate Up notransaction', '-- +migrate Down'],
    ['-- migrate:up transaction:false', '-- migrate:down transaction:false'],
    ['-- Up Migration', '-- Down Migration'],
    ['--   up migration  ', '--down migration\r'],
  ]
  for (const [up, down] of pairs) {
    const text = `${up}\ncreate table ward (name text);\n${down}\ndrop table ward;\n`

    assert.deepEqual(
      trimmed(upAndDown(text)),
      [`${up}\ncreate table ward (name text);`.trim(), `${down}\ndrop table ward;`.trim()],
      up,
    )
  }
})

test('upAndDown: each half keeps its lines and offsets', () => {
  const text = '-- migrate:up\nselect 1; -- ä𝄞\n-- migrate:down\nselect 2;\n'

  const { up, down } = upAndDown(text)

  assert.equal(up.length, text.length)
  assert.equal(up.indexOf('select 1'), text.indexOf('select 1'))
  assert.equal(down?.indexOf('select 2'), text.indexOf('select 2'))
  assert.equal(down?.split('\n').length, text.split('\n').length)
})

test('upAndDown: ways may alternate, and what stands above the first mark is up', () => {
  const text = 'set x.y = 1;\n-- +migrate Up\nselect 1;\n-- +migrate Down\nselect 2;\n-- +migrate Up\nselect 3;\n'

  const [up, down] = trimmed(upAndDown(text))

  assert.match(up ?? '', /^set x[^]*select 1;\s+-- \+migrate Up\nselect 3;$/)
  assert.equal(down, '-- +migrate Down\nselect 2;')
})

test('upAndDown: other comments are no marks, and nothing is down without a mark of up', () => {
  const texts = [
    '-- up migration of the wards\nselect 1;\n-- down migration is not possible\nselect 2;',
    'select 1;\n-- migrate:down\nselect 2;',
    '-- Down Migration\nselect 1;\n',
    `select '-- migrate:up';`,
    '',
  ]
  for (const text of texts) assert.deepEqual(upAndDown(text), { up: text, down: null })
})
