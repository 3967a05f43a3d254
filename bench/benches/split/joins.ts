import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect, type Database } from '@imhotep/postgres'
import { runOn } from '../../../tests/support/logical-server.ts'
import { measure } from '../../measure.ts'
import type { Servers } from './servers.ts'

const patients = 20_000
const orders = 100_000
const lists = 200

interface Order {
  readonly id: number
  readonly patient_id: number
}

const listOf =
  'select id::int8 as id, patient_id::int8 as patient_id from orders where ward = $1 order by id desc limit 50'

/** A list of fifty orders with names of patients: joined, and in the ways that are left when patients have their own database. */
export async function joinFigures(servers: Servers) {
  const shared = await servers.postgresDatabase('bench_join')
  const clinical = await servers.postgresDatabase('bench_clinical')
  const patientsSql = `create table patients (id bigint primary key, name text not null);
    insert into patients select n, 'patient ' || n from generate_series(1, ${patients}) n; analyze patients;`
  await runOn(
    shared,
    `${patientsSql} create table orders (id bigint primary key, ward int not null, patient_id bigint not null);
     insert into orders select n, n % 500, n % ${patients} + 1 from generate_series(1, ${orders}) n;
     create index on orders (ward, id); analyze orders`,
  )
  await runOn(clinical, patientsSql)
  const lab = connect(shared, { max: 2 })
  const owner = connect(clinical, { max: 4 })
  const service = await servePatients(owner)
  const cache = new Map<number, string>()
  const repeated = (list: (ward: number) => Promise<unknown>) => async () => {
    for (let ward = 0; ward < lists; ward += 1) await list(ward)
  }
  const namesOf = async (ids: readonly number[]) => {
    const answer = await fetch(`${service.url}?ids=${ids.join(',')}`)
    return (await answer.json()) as [number, string][]
  }
  // the copy is the same table in the same database: what a local copy is
  const joined = (ward: number) =>
    lab.query(
      `select o.id, p.name from (select id, patient_id from orders where ward = $1 order by id desc limit 50) o
         join patients p on p.id = o.patient_id order by o.id desc`,
      [ward],
    )
  const measured = await measure(
    [
      { name: 'join in the shared database', run: repeated(joined) },
      { name: 'join with a local copy', run: repeated(joined) },
      {
        name: 'one batch call',
        run: repeated(async (ward) =>
          namesOf((await lab.query<Order>(listOf, [ward])).map((order) => order.patient_id)),
        ),
      },
      {
        name: 'one batch call, cached',
        run: repeated(async (ward) => {
          const list = await lab.query<Order>(listOf, [ward])
          const missing = list.map((order) => order.patient_id).filter((id) => !cache.has(id))
          if (missing.length > 0) for (const [id, name] of await namesOf(missing)) cache.set(id, name)
          return list.map(({ id, patient_id: patient }) => [id, cache.get(patient)])
        }),
      },
      {
        name: 'a call for each row (N+1)',
        run: repeated(async (ward) => {
          for (const order of await lab.query<Order>(listOf, [ward])) await namesOf([order.patient_id])
        }),
      },
    ],
    3,
  )
  service.close()
  await Promise.all([lab.close(), owner.close()])
  const [join, ...others] = measured.map(({ wallMs }) => wallMs)
  const share = (index: number) => (others[index] ?? Number.NaN) / (join ?? Number.NaN)
  return {
    measured,
    figures: [
      { name: 'local copy / join', value: share(0), unit: 'x' as const, goal: '<= 1.1' },
      { name: 'batch call / join', value: share(1), unit: 'x' as const },
      { name: 'cached call / join', value: share(2), unit: 'x' as const, goal: '<= 1.1' },
      { name: 'call for each row / join', value: share(3), unit: 'x' as const },
    ],
  }
}

async function servePatients(db: Database) {
  const server = createServer((request, response) => {
    const ids = new URL(request.url ?? '', 'http://localhost').searchParams.get('ids')?.split(',')
    void db
      .query<{ id: number; name: string }>('select id::int8 as id, name from patients where id = any ($1)', [ids])
      .then((rows) => response.end(JSON.stringify(rows.map(({ id, name }) => [id, name]))))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close: () => server.close() }
}
