/** The operations of schema/device that an application may call. */
export const deviceOperations = {} as const
