import type { Module } from '@imhotep/engine'

/** A module made of texts (file name -> SQL); for tests only. */
export function fixtureModule(name: string, requires: string[], files: Record<string, string>): Module {
  return {
    name,
    schema: name,
    service: name,
    requires,
    cycles: [],
    purpose: `The ${name}.`,
    directory: name,
    hasReadme: true,
    files: Object.entries(files).map(([file, text]) => ({
      path: `${name}/${file}`,
      band: Number(file.slice(0, 3)),
      name: file.slice(4, -4),
      text,
    })),
    seeds: { system: [], demo: [] },
  }
}
