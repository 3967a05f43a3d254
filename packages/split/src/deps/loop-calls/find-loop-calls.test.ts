import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findLoopCalls } from './find-loop-calls.ts'
import { readModule } from './read-module.ts'

const services = ['lab', 'blood-bank', 'patients']

function find(files: Readonly<Record<string, string>>): string[] {
  const modules = Object.entries(files).flatMap(([file, text]) => readModule(file, text) ?? [])
  return findLoopCalls(modules, services).map(
    ({ file, line, callee, service }) => `${file}:${line} ${callee} -> ${service ?? '?'}`,
  )
}

test('findLoopCalls: finds a call for each element, in every kind of loop', () => {
  const text = `
    for (const order of orders) await labClient.result(order.id)
    for (let at = 0; at < ids.length; at++) { await fetch(\`/patients/\${ids[at]}\`) }
    for (const key in byId) this.bloodBankApi.unit(key)
    while (queue.length > 0) { const id = queue.shift(); await clients.patients.get(id) }
    await Promise.all(ids.map(async (id) => { const url = base + id; return (await fetch(url)).json() }))
    rows.forEach((row) => { labGateway?.tell({ id: row.id }) })`

  assert.deepEqual(find({ 'a.ts': text }), [
    'a.ts:2 labClient.result -> lab',
    'a.ts:3 fetch -> ?',
    'a.ts:4 this.bloodBankApi.unit -> blood-bank',
    'a.ts:5 clients.patients.get -> patients',
    'a.ts:6 fetch -> ?',
    'a.ts:7 labGateway.tell -> lab',
  ])
})

test('findLoopCalls: follows functions, methods, imports and what is only passed on', () => {
  const files = {
    'clients/patients.ts': `
      import axios from 'axios'
      export async function getPatient(id: string) { return await ask('/patients/' + id) }
      const ask = async (path: string) => (await axios.get(path)).data`,
    'ward.ts': `
      import { getPatient as patientOf } from './clients/patients.js'
      export class Ward {
        async names(ids: string[]) { for (const id of ids) this.#name(id) }
        async #name(id: string) { return (await patientOf(id)).name }
        all(ids: string[]) { return Promise.all(ids.map(patientOf)) }
      }`,
    'old.js': `
      const { getPatient } = require('./clients/patients')
      module.exports = (beds) => beds.map((bed) => getPatient(bed.patientId))`,
  }

  assert.deepEqual(find(files), ['ward.ts:4 this.name -> ?', 'ward.ts:6 patientOf -> ?', 'old.js:3 getPatient -> ?'])
})

test('findLoopCalls: leaves alone batches, pages, repeated attempts, what stays in the process and calls outside of loops', () => {
  const text = `
    for (const batch of inBatches(ids, 500)) await labClient.results(batch)
    for (let page = 1; page < 9; page++) await fetch('/orders?page=' + page)
    for (let attempt = 1; attempt < 4; attempt++) { await labClient.results(ids) }
    while (!done) { done = await fetch(url, { order }) }
    for (const order of orders) { await redisClient.get(order.id); local(order); await db.query('select 1', [order.id]) }
    orders.map((order) => order.id)
    const found = await labClient.results(orders.map((order) => order.id))
    for (const id of ids) known.push({ id, found: found.get(id) })
    for (const id of ids) await fetch('/health', { id: 1 })`

  assert.deepEqual(find({ 'a.js': text }), [])
})

test('readModule: null for what is no JavaScript; reads decorators, JSX and TypeScript', () => {
  assert.equal(readModule('a.ts', 'for (const of'), null)
  assert.deepEqual(find({ 'a.tsx': 'const a = <T,>(x: T) => <p>{ids.map((id) => <b>{labClient.get(id)}</b>)}</p>' }), [
    'a.tsx:1 labClient.get -> lab',
  ])
  assert.deepEqual(find({ 'b.ts': '@Injectable() class A { constructor(private readonly http: HttpService) {} }' }), [])
})
