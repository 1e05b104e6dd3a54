using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Kernels;

/// <summary>Kernels that not every machine has.</summary>
internal static class KernelPaths
{
    /// <summary>The widest kernels on a path; the test is skipped, with the reason, where the machine lacks it.</summary>
    public static CpuKernels Create(WorkerPool pool, MatrixKernels path)
    {
        try
        {
            return CpuKernels.Create(InstructionSets.Best, pool, path);
        }
        catch (NotSupportedException e)
        {
            Assert.Ignore(e.Message);
            throw;
        }
    }
}
