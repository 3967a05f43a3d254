import { join } from 'node:path'
import type { Routes } from '../protocol/move.ts'
import { writeEnvFile } from './env-file.ts'

/** Routes as environment files, one a service: DATABASE_URL is where its tables are now. */
export function envRoutes(
  directory: string,
  urlsOf: (service: string) => { readonly own: string; readonly shared: string },
): Routes {
  return {
    set: async (service, where) => {
      writeEnvFile(envFile(directory, service), {
        DATABASE_URL: urlsOf(service)[where],
        IMHOTEP_SPLIT_ROUTE: where,
      })
    },
  }
}

export function envFile(directory: string, service: string): string {
  return join(directory, `${service}.env`)
}
