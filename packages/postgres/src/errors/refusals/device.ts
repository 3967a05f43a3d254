import { refuse } from '../define.ts'

// Devices: IM88x.
export const DeviceTakenError = refuse(
  'IM880',
  'DeviceTakenError',
  'IMH_DEVICE_TAKEN',
  'the device serves somebody else',
  'end that assignment first, or choose another device',
)
export const DeviceOutOfServiceError = refuse(
  'IM881',
  'DeviceOutOfServiceError',
  'IMH_DEVICE_OUT_OF_SERVICE',
  'the device is not in service',
  'choose a device that is active, or record its acceptance or repair',
)
