import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redact } from './redact.ts'

test('redact: takes the password out of a URL and keeps the rest', () => {
  const text = redact('cannot reach postgresql://anna:s3cret@db.example:5432/imhotep?sslmode=require')

  assert.equal(text, 'cannot reach postgresql://anna:***@db.example:5432/imhotep?sslmode=require')
})

test('redact: takes a password that holds @ out of a URL', () => {
  const text = redact('postgresql://anna:a@b:c@db/x')

  assert.equal(text, 'postgresql://anna:***@db/x')
})

test('redact: takes password= out of a connection string', () => {
  const text = redact('host=db password=s3cret user=anna')

  assert.equal(text, 'host=db password=*** user=anna')
})

test('redact: leaves a URL without a password as it is', () => {
  const text = redact('postgresql://imhotep_app@127.0.0.1:5432/imhotep')

  assert.equal(text, 'postgresql://imhotep_app@127.0.0.1:5432/imhotep')
})
