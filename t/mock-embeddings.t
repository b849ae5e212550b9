# The mock LLM's embeddings: vectors that follow from the input, in either
# encoding, and what is refused.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use MIME::Base64;
use Test::More;
use Weir::Mock;

my $m = Weir::Mock->new;


sub embed {
    my ($input, %with) = @_;

    return $m->ask('/v1/embeddings', { model => 'e', input => $input, %with });
}


sub vectors { map { $_->{embedding} } @{ decode_json($_[0]->body)->{data} } }


my $c = embed('Hi');
my $j = decode_json($c->body);
is($c->status, 200, 'one input');
ok($c->header('X-Request-Id'), 'a request id');
is($j->{object}, 'list', 'a list');
is($j->{model}, 'e', 'the model');
is($j->{data}[0]{object}, 'embedding', 'of embeddings');
is($j->{data}[0]{index}, 0, 'with an index');
is(scalar @{ $j->{data}[0]{embedding} }, 64, 'of 64 dimensions');
is_deeply($j->{usage}, { prompt_tokens => 1, total_tokens => 1 }, 'usage');

my $sum = 0;
$sum += $_ * $_ for @{ $j->{data}[0]{embedding} };
cmp_ok(abs($sum - 1), '<', 1e-6, 'of length one');


# several: equal ones are equal, others are not

my @v = vectors(embed(['Hi', 'Ho', 'Hi', 'ü', '[[mock tag=e]] Hi']));
is(scalar @v, 5, 'five inputs');
is_deeply($v[0], $j->{data}[0]{embedding}, 'the same as alone');
is_deeply($v[2], $v[0], 'equal inputs');
is_deeply($v[4], $v[0], 'a directive is taken out');
isnt("@{ $v[$_] }", "@{ $v[0] }", 'another input') for 1, 3;
is($m->json('/mock/calls?tag=e')->{completed}, 1, 'the call is counted');

my @t = vectors(embed([[1, 2], [12], [1, 2]]));
is_deeply($t[2], $t[0], 'equal tokens');
isnt("@{ $t[1] }", "@{ $t[0] }", 'other tokens');
is_deeply([vectors(embed([1, 2]))], [$t[0]], 'one array of tokens');
is(decode_json(embed([[1, 2], [3]])->body)->{usage}{total_tokens}, 3,
   'tokens are counted');


# the encodings say the same

for my $n (1, 3, 4096) {
    my ($float) = vectors(embed('Hi', dimensions => $n,
                                encoding_format => 'float'));
    my ($base64) = vectors(embed('Hi', dimensions => $n,
                                 encoding_format => 'base64'));

    is(scalar @$float, $n, "$n dimensions");
    is_deeply([unpack 'f<*', decode_base64($base64)],
              [unpack 'f<*', pack 'f<*', @$float], 'in either encoding');
}


# what a plan can do to it

is(embed('[[mock status=429 retry-after=3]] Hi')->header('Retry-After'), 3,
   'an error');
is(decode_json(embed('[[mock usage=none]] Hi')->body)->{usage}, undef,
   'no usage');
is(embed('[[mock key=k]] Hi')->status, 401, 'a key');
is(embed('[[mock models=a]] Hi')->status, 404, 'no such model');
ok(!embed('[[mock cut=body]] Hi')->whole, 'a cut');
ok(!eval { decode_json(embed('[[mock garbage=json]] Hi')->body) }, 'garbage');
is($m->ask('/v1/embeddings', { model => 'e', input => 'Hi' },
           'X-Mock-Plan: status=503')->status, 503, 'a plan in the header');
is((vectors(embed('[[mock stream=always piece=7]] Hi')))[0][0], $v[0][0],
   'what is for streams does nothing');


# what is refused

for (['no input', undef], ['an empty string', ''], ['an empty array', []],
     ['an empty string in it', ['a', '']], ['an object', {}], ['null', [undef]],
     ['no tokens', [[]]], ['negative tokens', [[-1]]], ['mixed', [1, 'a']],
     ['half numbers', [[1.5]]], ['a number', 1], ['too many', [('a') x 2049]],
     ['no dimensions', 'a', dimensions => 0],
     ['too many dimensions', 'a', dimensions => 4097],
     ['an encoding', 'a', encoding_format => 'hex'],
     ['an encoding that is none', 'a', encoding_format => 1],
     ['no model', 'a', model => undef], ['a plan', '[[mock nonsense]]'])
{
    my ($name, @ask) = @$_;
    my $c = embed(@ask);

    is($c->status, 400, "$name: 400");
    is(decode_json($c->body)->{error}{type}, 'invalid_request_error',
       "$name: its type");
}

is(scalar(vectors(embed([('a') x 2048], dimensions => 1))), 2048,
   'the most that may be');
is($m->get('/v1/embeddings')->status, 405, 'GET');

$m->end;

done_testing();
