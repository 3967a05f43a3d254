import { randomBytes } from 'node:crypto'
import { connect, withDatabase, type Database } from '@imhotep/postgres'
import { readCatalog } from '../catalog/live.ts'
import type { Catalog } from '../catalog/model.ts'
import { forgetRunner } from './forget-runner.ts'

/** A server on which databases are made to look at them; they are removed again. */
export interface Scratch {
  /** A new database, as a connection string. */
  database(): Promise<string>
  /** What is there after `fill` has worked on a new database. What belongs to whoever runs it has no owner. */
  catalogAfter(fill: (url: string) => Promise<void>): Promise<Catalog>
}

/** Works with scratch databases on a server, as a superuser; whatever happens, none is left. */
export async function withScratch<T>(serverUrl: string, work: (scratch: Scratch) => Promise<T>): Promise<T> {
  const server = connect(serverUrl, { applicationName: 'imhotep', max: 1 })
  const names: string[] = []
  const scratch: Scratch = {
    async database() {
      const name = `imhotep_scratch_${randomBytes(6).toString('hex')}`
      names.push(name)
      await server.query(`create database ${name} template template0 encoding 'UTF8'`)
      return withDatabase(serverUrl, name)
    },
    async catalogAfter(fill) {
      const url = await scratch.database()
      await fill(url)
      return forgetRunner(await onDatabase(url, readCatalog))
    },
  }
  try {
    return await work(scratch)
  } finally {
    for (const name of names) await server.query(`drop database if exists ${name} with (force)`)
    await server.close()
  }
}

/**
 * The catalog of a database that is named by its connection string. Extensions of the version that its server gives by
 * itself have none: other servers give another.
 */
export async function readLive(url: string): Promise<Catalog> {
  return onDatabase(url, async (db) => {
    const catalog = await readCatalog(db)
    const given = await db.query<{ name: string; version: string | null }>(
      'select name, default_version as version from pg_catalog.pg_available_extensions where installed_version is not null',
    )
    for (const { name, version } of given) {
      const extension = catalog.extensions.get(name)
      if (extension?.version === version) catalog.extensions.set(name, { ...extension, version: null })
    }
    return catalog
  })
}

/** Runs a script as one transaction; `signal` breaks it off. */
export async function runOn(url: string, script: string, signal?: AbortSignal): Promise<void> {
  await onDatabase(url, async (db) => {
    const connection = await db.dedicated()
    const stop = () => void connection.release()
    signal?.addEventListener('abort', stop)
    try {
      signal?.throwIfAborted()
      await connection.script(`begin;\n${script}\n;\ncommit;`)
    } finally {
      signal?.removeEventListener('abort', stop)
      await connection.release()
    }
  })
}

async function onDatabase<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = connect(url, { applicationName: 'imhotep', max: 1 })
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}
