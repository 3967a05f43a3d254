// Wrappers of the operations of schema/device.
export {}
