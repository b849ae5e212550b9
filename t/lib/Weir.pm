package Weir;

# Test::Nginx::Socket with Weir's rules:
#
#     use lib 't/lib';
#     use Weir 'no_plan';
#     run_tests();
#
# * [alert], [emerg] and [crit] in the error log fail a block, and so does
#   [error] unless the block expects an error_log line; what nginx says while
#   it exits counts too.
# * A block without a request asks "GET /t".
# * $Weir::http is the configuration that connects nginx to the run's Redis
#   and key file; a block without http_config has it.
# * $TEST_NGINX_KEY, $TEST_NGINX_OTHER_KEY and $TEST_NGINX_ADMIN_KEY are the
#   keys of two owners and an administrator; auth() makes a header of them.

use strict;
use warnings;

use Test::Nginx::Socket -Base;

our @EXPORT = (@Test::Nginx::Socket::EXPORT, qw(auth $http));

our $http = <<'END';
    weir_redis unix:$TEST_NGINX_REDIS;
    weir_key_file $TEST_NGINX_KEY_FILE pepper=$TEST_NGINX_PEPPER_FILE;
END

my $asan;

no_long_string();
log_level('info');                  # Debian's nginx is built --with-debug


sub auth(;$) {
    my $name = @_ ? uc(shift) . '_KEY' : 'KEY';

    return "Authorization: Bearer $ENV{\"TEST_NGINX_$name\"}";
}


# the value of an error_log section as a list

sub patterns($) {
    my ($value) = @_;

    return () if !defined $value;
    return @$value if ref $value eq 'ARRAY';
    return ref $value ? $value : split /\n+/, $value;
}


# tells the check of the logs after the run which blocks may write [emerg]

sub note_refusal($) {
    my ($name) = @_;

    return if !defined $ENV{TEST_NGINX_DIR};

    open my $f, '>>', "$ENV{TEST_NGINX_DIR}/refusals" or bail_out("$!");
    print $f "$name\n";
    close $f;
}


add_block_preprocessor(sub {
    my ($block) = @_;

    my $refuses = defined $block->must_die;

    # nginx does not free its first pool when it refuses a configuration

    if (defined $ENV{ASAN_OPTIONS}) {
        $asan //= $ENV{ASAN_OPTIONS};
        $ENV{ORI_ASAN_OPTIONS} = $refuses
            ? $asan =~ s/detect_leaks=1/detect_leaks=0/r : $asan;
    }

    if (!defined $block->http_config && defined $ENV{TEST_NGINX_KEY}) {
        $block->set_value('http_config', $http);
    }

    if ($refuses) {
        note_refusal($block->name);
        $block->set_value('error_log', ['[emerg]', patterns($block->error_log)]);
        return;
    }

    if (!defined $block->request && !defined $block->raw_request
        && !defined $block->pipelined_requests)
    {
        $block->set_value('request', "GET /t\n");
    }

    my $own = $block->no_error_log;
    my @bad = ('[alert]', '[emerg]', '[crit]');

    if (defined $own) {
        push @bad, patterns($own);

    } elsif (!defined $block->error_log) {
        push @bad, '[error]';
    }

    my %seen;
    $block->set_value('no_error_log', [grep { !$seen{$_}++ } @bad]);

    if (!defined $block->no_shutdown_error_log) {
        $block->set_value('no_shutdown_error_log', ['[alert]', '[emerg]']);
    }
});


1;
