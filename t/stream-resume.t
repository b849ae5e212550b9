# Readers of the same run that come back at once, each to a place of its own:
# all go on where they were; who reads what has ended is known to nobody.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use List::Util qw(shuffle);
use Test::More;
use Weir::Client;
use Weir::Saying;
use Weir::Stack;
use Weir::Streams;

my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
    server => 'location /rate/ { weir_api; limit_rate 30k; }');

$stack->start;


sub deltas { grep { $_->{name} eq 'delta' } all($_[0]) }

# those who come at once share reads, which begin where the last one stands

my $s = Weir::Saying->new(stack => $stack, words => 150, every => 10);
my $id = $s->job;
my $c = follow($stack, $id);
ok($c->wait(20), 'a first reader');
my @whole = deltas($c);
cmp_ok(scalar @whole, '>', 60, 'has had many entries');
is(said(@whole), $s->said, 'and all of it');

my $run = $id =~ s/^job_//r;
$stack->redis('DEL', "weir:{0}:readers:$run");
my $control = $stack->redis('XLEN', 'weir:{0}:control');

my @at = shuffle(0 .. $#whole);
my @readers = map { [$_, follow($stack, $id, last => $whole[$_]{id})] } @at;
push @readers, [-1, follow($stack, $id)];
ok(Weir::Client::wait_all(20, map { $_->[1] } @readers), 'all are at the end');

is(scalar(grep { said(@whole[0 .. $_->[0]], deltas($_->[1])) ne $s->said }
          @readers), 0, 'nothing is missed, or there twice');
is(scalar(grep { $_->[1]->body =~ /^event: reset/m } @readers), 0,
   'and nothing is taken back');
is($stack->redis('EXISTS', "weir:{0}:readers:$run"), 0,
   'nobody is told that it is read');
is($stack->redis('XLEN', 'weir:{0}:control'), $control, 'no worker, either');


# the same while it goes on

$s = Weir::Saying->new(stack => $stack, words => 150, every => 20);
$id = $s->job;
$c = follow($stack, $id);
ok($c->wait(20, qr/w70 /), 'half of it');
@whole = deltas($c);
@readers = map { [$_, follow($stack, $id, last => $whole[$_]{id})] }
           shuffle(0 .. $#whole);
ok(Weir::Client::wait_all(20, map { $_->[1] } @readers), 'all are at the end');
is(scalar(grep { said(@whole[0 .. $_->[0]], deltas($_->[1])) ne $s->said }
          @readers), 0, 'nothing is missed, or there twice');
is(scalar(grep { $_->[1]->body =~ /^event: reset/m } @readers), 0,
   'and nothing is taken back');


# what only says of a representation when it is wanted, does not matter here

for my $condition ('If-None-Match: *', 'If-Match: "x"',
                   'If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT')
{
    $c = $stack->request("/v1/jobs/$id/events", headers => [$condition]);
    ok($c->wait(10), "$condition: the end");
    is(said(deltas($c)), $s->said, "$condition: all of it");
}


# a stream whose rate is limited

$s = Weir::Saying->new(stack => $stack, words => 400, every => 2);
$c = $stack->request('/rate/v1/chat/completions',
    body => encode_json($s->body(stream => JSON::PP::true)));
ok($c->wait(20), 'limit_rate: the end');
is($s->is_sound($c, 'limit_rate'), 'whole', 'limit_rate: all of it');
cmp_ok(scalar $c->parts, '>', 1, 'limit_rate: bit by bit');

$stack->end;

done_testing();
