# Many wait for a large answer: it is read and written once for all of them,
# and who reads slowly, or goes away, does not trouble the others.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Askers;
use Weir::Mock;
use Weir::Stack;

my $BIG = 8_000_000;            # more than a socket takes unread

my $stack = cached_stack(processes => 1, worker => 'attempts = 1');
$stack->start;


# the forms: of each, what is written for all is what is written for one; the
# pieces of a stream are those in which it came

my @forms = ({}, { stream => JSON::PP::true },
             { stream => JSON::PP::true,
               stream_options => { include_usage => JSON::PP::true } });

my $text = '[[mock tag=forms delay=1000 size=300000]] x';
my @all = map { chat($stack, $text, more => $forms[$_ % 3]) } 0 .. 29;
parked(30, $stack);
ask_all(20, @all);
is(status_of(@all), 200, 'forms: all are answered');
is($stack->calls('forms'), 1, 'forms: one call');

for my $form (0 .. 2) {
    my ($one) = ask_all(10, chat($stack, $text, more => $forms[$form]));
    my @same = grep { said($_, $form) eq said($one, $form) }
               map { $all[3 * $_ + $form] } 0 .. 9;

    like($one->header('Cache-Status'), qr/; hit/, "forms, $form: a hit");
    is(scalar(@same), 10, "forms, $form: the same as that of all");
}

sub said {
    my ($c, $form) = @_;

    return $c->body if $form == 0;

    my $e = events($c->body);
    my ($usage) = $c->body =~ /("usage":\{.*)/;

    return join "\n", $e->{events}[0]{json}{id}, openai_text($e),
                $usage // 'none', $e->{events}[-1]{data};
}


# one reads nothing, one goes away in the middle

@all = map { chat($stack, "[[mock tag=slow delay=1000 size=$BIG]] x") } 1 .. 6;
parked(6, $stack);
my ($slow, $gone, @quick) = @all;
ask_all(30, @quick);
is(status_of(@quick), 200, 'slow: the others are answered');
ok($gone->wait(10, qr/tok/), 'slow: one has a part of it');
$gone->close;
is(status_of(ask_all(10, chat($stack, '[[mock tag=other]] x'))), 200,
   'slow: other answers go on');
ask_all(30, $slow);
ok($slow->body eq $quick[0]->body, 'slow: all of it comes in the end');
cmp_ok(length $slow->body, '>', $BIG, 'slow: all of it is large');


# too large for anybody: all are told, after a second try of those who joined

@all = map { chat($stack, '[[mock tag=huge delay=500 size=34000000]] x') }
       1 .. 4;
ask_all(60, @all);
is(status_of(@all), 502, 'too large: all are told');
cmp_ok($stack->calls('huge'), '<=', 2, 'too large: not asked by each');

$stack->end;

done_testing();
