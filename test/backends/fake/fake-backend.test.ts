import { describeBackend } from '#test/contract/backend.contract.ts';
import { fakeSpec } from '#test/support/fake-model.ts';

describeBackend('fake', () => fakeSpec(), { unsupported: [] });
