/** The operations of schema/cds that an application may call. */
export const cdsOperations = {} as const
