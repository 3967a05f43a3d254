import type { Catalog } from '../catalog/model.ts'

interface Owned {
  owner: string | null
}

/**
 * On a scratch database what no file gives to anybody belongs to the superuser who ran it: nobody said that it should.
 * Changes the catalog and returns it.
 */
export function forgetRunner(catalog: Catalog): Catalog {
  const isSuperuser = (name: string | null) => name !== null && catalog.roles.get(name)?.superuser === true
  const maps: ReadonlyMap<string, Owned>[] = [
    catalog.schemas,
    catalog.types,
    catalog.sequences,
    catalog.tables,
    catalog.views,
    catalog.functions,
    catalog.statistics,
    catalog.publications,
    catalog.eventTriggers,
  ]
  for (const map of maps) for (const item of map.values()) if (isSuperuser(item.owner)) item.owner = null
  const entries = catalog.defaultPrivileges.map((entry) =>
    isSuperuser(entry.owner) ? { ...entry, owner: null } : entry,
  )
  catalog.defaultPrivileges.splice(0, entries.length, ...entries)
  return catalog
}
