/** The operations of schema/clinical that an application may call. */
export const clinicalOperations = {} as const
