using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class RepetitionDetectorTests
{
    [TestCase(new[] { 1, 2, 3, 2, 3 }, ExpectedResult = true)]
    [TestCase(new[] { 2, 3, 1, 2, 3 }, ExpectedResult = false)]
    [TestCase(new[] { 3, 2, 3 }, ExpectedResult = false)]
    [TestCase(new[] { 1, 2, 3, 1, 2, 3 }, ExpectedResult = true)]
    [TestCase(new[] { 1, 2, 3, 4, 1, 2, 3, 4 }, ExpectedResult = false)]
    [TestCase(new[] { 7, 7 }, ExpectedResult = false)]
    public bool A_repetition_is_a_pattern_of_its_sizes_at_the_very_end(int[] tokens) => new RepetitionDetector(new(3, 2, 2)).Accept(tokens);

    [Test]
    public void Token_by_token_it_finds_what_a_comparison_of_all_patterns_finds()
    {
        var random = new Random(8);
        for (var round = 0; round < 500; round++)
        {
            var parameters = new RepetitionDetectionParams(random.Next(1, 6), random.Next(0, 2), random.Next(2, 5));
            var tokens = Enumerable.Range(0, 40).Select(_ => random.Next(2)).ToArray();
            var detector = new RepetitionDetector(parameters);
            for (var length = random.Next(1, 4); length <= tokens.Length; length += random.Next(1, 3))
                Assert.That(detector.Accept(tokens.AsSpan(0, length)), Is.EqualTo(EndsWithPattern(tokens[..length], parameters)), $"{parameters} of {string.Join(' ', tokens[..length])}");
        }
    }

    [Test]
    public void The_size_of_a_pattern_is_bounded()
    {
        var parameters = new SamplingParams { RepetitionDetection = new(RepetitionDetectionParams.MaxSize + 1, 1, 2) };
        Assert.That(parameters.Validate, Throws.ArgumentException.With.Message.Contains("max_pattern_size must be at most 1024, got 1025"));
        Assert.That((parameters with { RepetitionDetection = new(RepetitionDetectionParams.MaxSize, 1, 2) }).Validate, Throws.Nothing);
        Assert.That(new RepetitionDetector(new(1024, 1, int.MaxValue)).Accept(new int[5000]), Is.False);
    }

    private static bool EndsWithPattern(int[] tokens, RepetitionDetectionParams parameters) =>
        Enumerable.Range(Math.Max(1, parameters.MinPatternSize), parameters.MaxPatternSize).Where(size => size <= parameters.MaxPatternSize)
            .Any(size => size * parameters.MinCount <= tokens.Length
                && Enumerable.Range(tokens.Length - (size * parameters.MinCount), size * (parameters.MinCount - 1)).All(i => tokens[i] == tokens[i + size]));
}
