// Streams, read with the official clients of both dialects; prints what they saw
// as JSON, and t/sdk-streams.t judges.
//
//     node streams.mjs NODE_MODULES BASE_URL KEY

import { createRequire } from 'node:module';

const [modules, baseURL, apiKey] = process.argv.slice(2);
const require = createRequire(modules + '/');
const Anthropic = require('@anthropic-ai/sdk');
const OpenAI = require('openai');

const schema = { type: 'object', properties: { city: { type: 'string' } } };
const seen = {};


function describe(error, library) {
    return {
        class: error.constructor.name,
        isAPIError: error instanceof library.APIError,
        status: error.status,
        type: error.type,
        message: error.message,
        requestID: error.requestID,
    };
}


// each client in one form: start(text, more) gives an iterator of its events,
// text(event) what it adds to the answer, whole(text, more) the answer at the
// end of a stream, as the client puts it together, once(text, more) that of no
// stream

const openai = new OpenAI({ baseURL: baseURL + '/v1', apiKey });
const anthropic = new Anthropic({ baseURL, apiKey });

function chat(content, more) {
    return { model: 'mock-1', messages: [{ role: 'user', content }], ...more };
}

function message(content, more) {
    return { model: 'mock-1', max_tokens: 10000,
             messages: [{ role: 'user', content }], ...more };
}

const clients = {
    openai: {
        library: OpenAI,
        start: (text, more) => openai.chat.completions.create(
            chat(text, { stream: true, ...more })),
        text: (event) => event.choices[0]?.delta.content ?? '',
        whole: async (text, more) => (await openai.chat.completions.stream(
            chat(text, more)).finalChatCompletion()).choices[0],
        once: async (text, more) => (await openai.chat.completions.create(
            chat(text, more))).choices[0],
        tools: { tools: [{ type: 'function', function: {
            name: 'weather', parameters: schema } }] },
    },
    anthropic: {
        library: Anthropic,
        start: (text, more) => anthropic.messages.create(
            message(text, { stream: true, ...more })),
        text: (event) => event.delta?.text ?? '',
        whole: async (text, more) => {
            const m = await anthropic.messages.stream(message(text, more))
                                     .finalMessage();
            return { content: m.content, stop_reason: m.stop_reason,
                     usage: m.usage };
        },
        once: async (text, more) => {
            const m = await anthropic.messages.create(message(text, more));
            return { content: m.content, stop_reason: m.stop_reason,
                     usage: m.usage };
        },
        tools: { tools: [{ name: 'weather', input_schema: schema }] },
    },
};


// what came of a stream: its text, when its pieces came, how it ended

async function read(client, text, more) {
    const got = { text: '', at: [] };

    try {
        for await (const event of await client.start(text, more)) {
            const piece = client.text(event);
            if (piece) {
                got.text += piece;
                got.at.push(Date.now());
            }
        }
    } catch (error) {
        got.error = describe(error, client.library);
    }

    return got;
}


async function look(name, client) {
    const mine = (plan) => `[[mock tag=${name} ${plan}]] Hi`;
    const saw = seen[name] = {};

    saw.slow = await read(client, mine('tokens=12 every=100'));
    saw.silent = await read(client, mine('delay=1600 tokens=3'));
    saw.refused = await read(client, mine('status=400'));
    saw.error = await read(client,
                           mine('tokens=20 every=20 error=api_error'));
    saw.cut = await read(client, mine('tokens=20 every=20 cut=body'));
    saw.half = await read(client, mine('tokens=20 every=20 stop=text'));

    saw.many = (await Promise.all([...Array(20).keys()].map((n) =>
        read(client, `[[mock tokens=${n + 1} every=5]] Hi`))))
        .map((got) => got.error ?? got.text.length);

    saw.whole = [];
    for (const [text, more] of [
        ['one two three'], ['Grüße \u{1f600} '.repeat(100)],
        ['[[mock tool=weather args={"city":"Oslo"} pieces=5]] Hi',
         client.tools],
        ['[[mock tool=weather tools=3 turns=1 preface=4]] Hi', client.tools],
        ['[[mock words=wide size=20000]] Hi'],
        ['[[mock thinking=3 tokens=4]] Hi'],
        ['[[mock tokens=8]] Hi', { max_tokens: 3 }],
        ['[[mock size=0]] Hi'],
    ]) {
        try {
            saw.whole.push([text, await client.whole(text, more),
                            await client.once(text, more)]);
        } catch (error) {
            saw.whole.push([text, describe(error, client.library)]);
        }
    }

    const stream = await client.start(
        `[[mock tag=${name}-left tokens=200 every=50]] Hi`);
    for await (const event of stream) {
        if (client.text(event)) {
            break;                      // which closes the connection
        }
    }
}


for (const [name, client] of Object.entries(clients)) {
    await look(name, client);
}

// a pipe may not take all of it at once

process.stdout.write(JSON.stringify(seen) + '\n', () => process.exit(0));
