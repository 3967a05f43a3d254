import { join } from 'node:path'
import type { Routes } from '../protocol/move.ts'
import { readEnvFile, writeEnvFile } from './env-file.ts'

/**
 * Routes as environment files, one a service: DATABASE_URL is where its tables are now. What the application used for the
 * shared database is kept as SHARED_DATABASE_URL, and comes back with the way back.
 */
export function envRoutes(
  directory: string,
  urlsOf: (service: string) => { readonly own: string; readonly shared: string },
): Routes {
  return {
    set: async (service, where) => {
      const file = envFile(directory, service)
      const { DATABASE_URL: before, SHARED_DATABASE_URL: kept, IMHOTEP_SPLIT_ROUTE: route } = readEnvFile(file)
      const theirs = kept ?? (route === 'own' ? undefined : before)
      const { own, shared } = urlsOf(service)
      writeEnvFile(file, {
        DATABASE_URL: where === 'own' ? own : (theirs ?? shared),
        ...(theirs !== undefined && { SHARED_DATABASE_URL: theirs }),
        IMHOTEP_SPLIT_ROUTE: where,
      })
    },
  }
}

export function envFile(directory: string, service: string): string {
  return join(directory, `${service}.env`)
}
