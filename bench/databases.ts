import { randomBytes, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { applyMigrations, applySeeds, readModules } from '@imhotep/engine'
import { connect, withDatabase, type Connection } from '@imhotep/postgres'

const root = fileURLToPath(new URL('..', import.meta.url))
export const migrations = `${root}db/migration`

/** Makes an empty database and returns its superuser URL. */
export async function createDatabase(server: string): Promise<string> {
  const name = `bench_${randomBytes(4).toString('hex')}`
  await withConnection(server, (connection) => connection.query(`create database ${name}`))
  return withDatabase(server, name)
}

export async function dropDatabase(server: string, url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1)
  await withConnection(server, (connection) => connection.query(`drop database ${name} with (force)`))
}

/** A database with the whole schema, the system seed and a login for the application role. */
export async function hospital(server: string): Promise<{ url: string; appUrl: string }> {
  const url = await createDatabase(server)
  await applyMigrations(url, { directory: migrations })
  await applySeeds(url, await readModules(`${root}schema`), 'system')
  await withConnection(url, (connection) => connection.query(`alter role imhotep_app login password 'bench'`))
  const appUrl = new URL(url)
  appUrl.username = 'imhotep_app'
  appUrl.password = 'bench'
  return { url, appUrl: appUrl.href }
}

/** Makes `count` active tenants and returns their ids. */
export async function makeTenants(connection: Connection, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID())
  for (const id of ids)
    await connection.query(`select core.provision_tenant($1, $2, 'Bench', 'clinic', 'IN', 'Asia/Kolkata', 'INR')`, [
      id,
      `bench${id.slice(0, 8)}`,
    ])
  return ids
}

export async function withConnection<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await connect(url, { applicationName: 'imhotep-bench' }).dedicated()
  try {
    return await work(connection)
  } finally {
    await connection.release()
  }
}
