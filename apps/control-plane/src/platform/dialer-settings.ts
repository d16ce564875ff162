import { secret } from '@sallyport/config/fields';
import { tlsSettings } from '@sallyport/tls/settings';
import { storeSettings } from '@sallyport/tls/store-settings';
import { z } from 'zod';

const what = 'Links to agents that listen';

/** How the control plane dials agents; which ones is said by the links of groups. */
export const dialerSettings = z.strictObject({
  keystore: storeSettings('keystore', { what, password: secret() }).prefault({}),
  truststore: storeSettings('truststore', { what, password: secret() }).prefault({}),
  tls: tlsSettings(what).prefault({}),
});
