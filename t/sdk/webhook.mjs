// Takes webhooks as a receiver would, with the verifiers of Standard Webhooks
// and of OpenAI.  Reads a JSON array of {headers, body, secret} on standard
// input, and prints for each what either said.
//
//     node webhook.mjs NODE_MODULES < webhooks.json

import { webcrypto } from 'node:crypto';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

globalThis.crypto ??= webcrypto;        // Node.js 18 has it under a flag

const require = createRequire(process.argv[2] + '/');
const { Webhook } = require('standardwebhooks');
const OpenAI = require('openai');

const client = new OpenAI({ apiKey: 'none' });
const seen = [];


async function attempt(code) {
    try {
        return await code();
    } catch (error) {
        return error.message;
    }
}


for (const { headers, body, secret } of JSON.parse(readFileSync(0))) {
    seen.push({
        standard: await attempt(() => {
            return new Webhook(secret).verify(body, headers).type;
        }),
        openai: await attempt(async () => {
            return (await client.webhooks.unwrap(body, headers, secret)).type;
        }),
    });
}

console.log(JSON.stringify(seen));
