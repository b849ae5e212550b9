# RC-14: what a request says in Cache-Control, and whose key may say it.  How
# often a question must be asked before its answer is kept.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Askers qw(ask_chat what);
use Weir::Stack;

my $s = Weir::Stack->new(
    http => 'weir_cache_zone answers 2m;',
    location => 'weir_api; weir_cache zone=answers;',
    server => 'location /third { weir_api;
                   weir_cache zone=answers min_uses=3; }
               location /short { weir_api;
                   weir_cache zone=answers; weir_cache_ttl 100s; }');
$s->keys;

# the same owner: what one key may go round is there for the other

my $free = $s->create_key('alice', 'submit,cache-bypass');

$s->start;


sub chat {
    my ($text, @control) = @_;
    my $key = @control && ref $control[0] ? ${ shift @control } : $free;
    my $at = $text =~ s{^(/\w+) }{} ? $1 : '';

    return ask_chat($s, $text, at => $at, key => $key,
                    headers => [map { "Cache-Control: $_" } @control]);
}


my $HIT = qr/^weir; hit; ttl=\d+$/;
my $MISS = 'weir; fwd=uri-miss; stored';


# no-store: neither from there, nor into it

my $c = chat('[[mock tag=store]] Hi', 'no-store');
is(what($c), 'weir; fwd=bypass', 'RC-14: no-store');
is(what(chat('[[mock tag=store]] Hi')), $MISS, 'RC-14: it was not stored');
is(what(chat('[[mock tag=store]] Hi', 'No-Store')), 'weir; fwd=bypass',
   'RC-14: nor is it answered from there');
is($s->calls('store'), 3, 'three calls');


# no-cache, max-age, min-fresh: what is stored must be good enough, what comes is
# stored in its place

my $first = chat('[[mock tag=cache]] Hi');
is(what($first), $MISS, 'stored');

$c = chat('[[mock tag=cache]] Hi', 'no-cache');
is(what($c), 'weir; fwd=request; stored', 'RC-14: no-cache');
isnt($c->body, $first->body, 'RC-14: a new answer');
is($s->calls('cache'), 2, 'RC-14: asked anew');
is(chat('[[mock tag=cache]] Hi')->body, $c->body, 'RC-14: and stored');

is(what(chat('[[mock tag=nothing]] Hi', 'no-cache')), $MISS,
   'RC-14: no-cache where there is nothing');

for (['max-age=100', 1], ['min-fresh=100', 1], ['max-age=100, min-fresh=1', 1],
     ['min-fresh=86400', 0], ['max-age=100, no-cache', 0],
     ['min-fresh=never', 0], ['no-transform, x=y, "', 1])
{
    my ($control, $hit) = @$_;
    like(what(chat('[[mock tag=ages]] Hi', $control)),
         qr/uri-miss/, 'nothing yet') if !$s->calls('ages');
    like(what(chat('[[mock tag=ages]] Hi', $control)),
         $hit ? $HIT : qr/fwd=request; stored/, "RC-14: $control");
}

chat('[[mock tag=old]] Hi');
$s->wait_for(5, sub { chat('[[mock tag=old]] Hi')->header('Age') >= 1 },
             'a second passes');
like(what(chat('[[mock tag=old]] Hi', 'max-age=5')), $HIT, 'not older than');
is(what(chat('[[mock tag=old]] Hi', 'max-age=0')),
   'weir; fwd=request; stored', 'RC-14: max-age=0');
is($s->calls('old'), 2, 'RC-14: asked anew');


# two lines count together

is(what(chat('[[mock tag=cache]] Hi', 'max-age=1000', 'no-cache')),
   'weir; fwd=request; stored', 'RC-14: two lines');


# whose key may not is not heard

for my $control ('no-store', 'no-cache', 'max-age=0', 'min-fresh=86400') {
    like(what(chat('[[mock tag=cache]] Hi', \$s->key, $control)), $HIT,
         "RC-14: $control of a key that may not");
}

is(what(chat('[[mock tag=no]] Hi', \$s->key, 'no-store')), $MISS,
   'RC-14: it is stored');


# who joins does not say that it is stored, where who led came too early

my @join = map {
    $s->request('/third/v1/chat/completions', body => encode_json({
        model => 'mock-1', messages => [{ role => 'user',
            content => '[[mock tag=early delay=700]] Hi' }] }))
} 1 .. 3;
ok(Weir::Client::wait_all(5, @join), 'all are answered');
is(join(', ', sort map { what($_) } @join),
   'weir; fwd=uri-miss, weir; fwd=uri-miss; collapsed, '
   . 'weir; fwd=uri-miss; collapsed', 'not stored, and not said to be');


# only-if-cached: everybody

for (['one that may', \$free], ['one that may not', \$s->key]) {
    my ($name, $key) = @$_;

    my $c = chat('[[mock tag=only]] Hi', $key, 'only-if-cached');
    is($c->status, 504, "RC-14: only-if-cached by $name: 504");
    is($c->header('Retry-After'), undef, 'not to be tried again');
    is($c->header('X-Should-Retry'), 'false', 'by nobody');
    is(decode_json($c->body)->{error}{code}, 'timeout', 'an error of OpenAI');
    is($s->calls('only'), 0, 'RC-14: nobody was asked');

    like(what(chat('[[mock tag=cache]] Hi', $key, 'only-if-cached')), $HIT,
         'RC-14: a hit');
}

is(chat('[[mock tag=cache]] Hi', 'only-if-cached, no-cache')->status, 504,
   'RC-14: nothing that is stored is good enough');
is(chat('[[mock tag=cache]] Hi', 'only-if-cached, no-store')->status, 504,
   'RC-14: nor looked for');


# min_uses: from the third use on

for my $try (1, 2) {
    is(what(chat('/third [[mock tag=uses]] Hi')), 'weir; fwd=uri-miss',
       "use $try: not stored");
}

is(what(chat('/third [[mock tag=uses]] Hi')), $MISS, 'use 3: stored');
like(what(chat('/third [[mock tag=uses]] Hi')), $HIT, 'use 4: a hit');
is($s->calls('uses'), 3, 'three calls');


# a shorter time

is(what(chat('/short [[mock tag=short]] Hi')), $MISS, 'for 100 s');
like(what(chat('/short [[mock tag=short]] Hi')), qr/hit; ttl=(100|9\d)$/,
     'and no longer');

$s->end;
done_testing();
