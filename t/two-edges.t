# Two nginx on one Redis: what is submitted at one is polled, waited for and
# cancelled at the other.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $a = Weir::Stack->new(location => 'weir_api;');
$a->start;

my $b = Weir::Stack->new(edge_of => $a, location => 'weir_api;');
$b->start('nginx');


sub submit {
    my ($edge, $text) = @_;

    my $c = $edge->ask('/v1/jobs', body => encode_json({ request => {
        model => 'mock-1',
        messages => [{ role => 'user', content => $text }] } }));
    is($c->status, 202, 'submitted');

    return decode_json($c->body)->{id};
}


for (['a to b', $a, $b], ['b to a', $b, $a]) {
    my ($name, $here, $there) = @$_;

    # polled

    my $id = submit($here, 'Hi');
    my $c = $there->ask("/v1/jobs/$id", headers => ['Prefer: wait=5']);
    is(decode_json($c->body)->{status}, 'completed', "$name: completed");
    like(decode_json($c->body)->{result}{choices}[0]{message}{content},
         qr/Echo: *Hi/, "$name: the result");

    my $etag = $c->header('ETag');
    is($here->ask("/v1/jobs/$id")->header('ETag'), $etag,
       "$name: the same ETag");

    # waited for at both, while it runs; neither waits for a re-check

    for my $size (10, 5000) {
        $id = submit($here, "[[mock delay=500 size=$size]] Hi");
        my @polls = map { $_->request("/v1/jobs/$id",
                                      headers => ['Prefer: wait=10']) }
                    $here, $there, $here, $there;

        ok(Weir::Client::wait_all(5, @polls), "$name: four long polls");
        is(join(' ', map { decode_json($_->body)->{status} } @polls),
           'completed completed completed completed', "$name: all are told");
        cmp_ok($_->elapsed, '<', 1.5, "$name: at once") for @polls;
    }

    # cancelled there, while somebody waits here; several times, since a
    # re-check may by chance come as soon as the message

    for my $try (1 .. 4) {
        $id = submit($here, '[[mock delay=2000]] Hi');
        my @polls = map { $_->request("/v1/jobs/$id",
                                      headers => ['Prefer: wait=10']) }
                    $here, $there;

        # a held request shows in the set of mailboxes

        my $set = 'weir:{0}:waiting:' . $id =~ s/^job_//r;
        $a->wait_for(5, sub { @{ $a->redis('SMEMBERS', $set) } == 2 },
                     'two mailboxes');

        is($there->ask("/v1/jobs/$id", method => 'DELETE')->status, 200,
           "$name: cancelled");
        ok(Weir::Client::wait_all(0.4, @polls), "$name: who waits is told");
        is(decode_json($_->body)->{status}, 'cancelled', "$name: at once")
            for @polls;
    }
}


# one edge goes: what was submitted there is finished, and found at the other

my $id = submit($b, '[[mock delay=300]] Hi');
my $held = $b->request('/v1/jobs', headers => ['Prefer: wait=10'],
    body => encode_json({ request => { model => 'mock-1', messages => [
        { role => 'user', content => '[[mock delay=300]] Hi' }] } }));

$b->signal('nginx', 'KILL');

my $c = $a->ask("/v1/jobs/$id", headers => ['Prefer: wait=5']);
is(decode_json($c->body)->{status}, 'completed', 'an edge was killed');

$b->end;
$a->end;

done_testing();
